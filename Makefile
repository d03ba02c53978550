# blockwatch: `make help` says what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PREFIX ?= /usr/local
DESTDIR ?=
ARGS ?= --threshold 5s
SWIFT ?= swift
JOBS ?=
# error: no build that the tests need passes with a warning; make check and CI set it, and nothing is compiled twice for it
WARNINGS ?=
STRICT := $(if $(filter error,$(WARNINGS)),-Xswiftc -warnings-as-errors)
BUILD_FLAGS := -c release --static-swift-stdlib -Xlinker -s $(STRICT) $(if $(JOBS),-j $(JOBS))
TEST_FLAGS := --build-tests $(STRICT) $(if $(JOBS),-j $(JOBS))
BINARY := .build/release/blockwatch
# needs no library at all: what the virtual machines run; in a folder of its own, since its flags are others
STATIC_FLAGS := -c release --scratch-path .build-static --static-swift-stdlib -Xswiftc -static-executable -Xlinker -s \
	$(if $(JOBS),-j $(JOBS))

# The Swift toolchain's own clang builds the BPF side: one toolchain for both.
TOOLCHAIN := $(dir $(shell readlink -f "$$(command -v $(SWIFT) 2>/dev/null)" 2>/dev/null))
CLANG ?= $(if $(wildcard $(TOOLCHAIN)clang),$(TOOLCHAIN)clang,clang)
OBJCOPY ?= $(if $(wildcard $(TOOLCHAIN)llvm-objcopy),$(TOOLCHAIN)llvm-objcopy,llvm-objcopy)
BPF_SOURCES := $(wildcard bpf/*.c bpf/*.h bpf/include/*.h)
BPF_OBJECTS := bpf/blockwatch.x86_64.bpf.o bpf/blockwatch.aarch64.bpf.o
BPF_FLAGS := -target bpf -mcpu=v3 -O2 -g -std=gnu2x -Wall -Wextra -Werror -Wno-unused-parameter \
	-Wno-missing-field-initializers -ffile-prefix-map=$(CURDIR)=. -fdebug-compilation-dir=. -Ibpf

# what the benchmarks run and are compared with
BENCH_TOOLS := gcc libc6-dev make python3 util-linux strace linux-perf bpftrace lsof
BENCH_SERVERS := redis-server redis-tools nginx postgresql postgresql-client wrk
BUILD_PACKAGES := libbpf-dev libdw-dev libelf-dev liblzma-dev libbz2-dev zlib1g-dev
TEST_PACKAGES := gcc gcc-multilib golang-go binutils xz-utils libc6-dev make python3 python3-jsonschema iproute2 lsof mount strace graphviz screen
PICTURE_PACKAGES := tmux chromium fonts-dejavu-core graphviz iproute2 python3 util-linux
# kernels in virtual machines
KERNEL_PACKAGES := qemu-system-x86 busybox-static cpio kmod xz-utils binutils debian-archive-keyring
# gcc for aarch64 and gcc-multilib exclude each other: the Swift toolchain's clang compiles, with Debian's libraries
CROSS_PACKAGES = qemu-system-arm libc6-dev-arm64-cross python3 $(shell apt-cache depends libgcc-s1-arm64-cross 2>/dev/null | \
	sed -n 's/.*Depends: gcc-\([0-9]*\)-cross-base.*/libgcc-\1-dev-arm64-cross/p' | head -n 1)
# what the tests on real software run; the packages' own services are not started
TEST_SOFTWARE := redis-server memcached nginx nodejs openssh-server openssh-client postgresql postgresql-client \
	mariadb-server mariadb-client apache2-bin dbus cron rsyslog tmux openjdk-17-jdk-headless curl wget util-linux e2fsprogs procps \
	gunicorn uwsgi-core uwsgi-plugin-python3 haproxy socat beanstalkd

.PHONY: help
help: ## what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: need-build build need-root ## install what is missing, build, and watch this host (ARGS='--threshold 5s')
	@echo "blockwatch $(ARGS)   (end with Ctrl-C)" >&2
	@exec $(AS_ROOT) $(BINARY) $(ARGS)

.PHONY: debug-record
debug-record: need-root $(if $(BLOCKWATCH),,build) ## record what verdicts come from: FILE=hang.tape ARGS='--threshold 1s --duration 30s'
	@test -n "$(FILE)" || { echo "name a new file: make debug-record FILE=hang.tape" >&2; exit 64; }
	@exec $(AS_ROOT) $(or $(BLOCKWATCH),$(BINARY)) $(ARGS) --debug-record "$(FILE)"

.PHONY: compare-recordings
compare-recordings: build ## play recordings through another binary and this one: BEFORE=blockwatch RECORDINGS=folder
	@tools/compare-recordings "$(BEFORE)" $(BINARY) $(RECORDINGS)

.PHONY: record-hangs
record-hangs: build programs ## make the recording that the tests play anew, after the layout of the kernel side's records has changed
	@tools/record-hangs $(BINARY) .build/programs Tests/BlockWatchCoreTests/Recordings/hangs.tape

.PHONY: pictures
pictures: need-root need-fleet $(if $(BLOCKWATCH),,build) ## make the pictures of docs/ anew, from real terminals and Chromium
	@$(call need-packages,$(PICTURE_PACKAGES))
	@$(AS_ROOT) tools/make-pictures $(or $(BLOCKWATCH),$(BINARY)) docs

.PHONY: test
test: need-build need-test need-fleet need-root programs ## install what the tests need, build, and run all of them (root)
	$(SWIFT) build $(BUILD_FLAGS)
	$(SWIFT) build $(TEST_FLAGS)
	@$(call run-fleet)
	@if answer=$$($(AS_ROOT) $(BINARY) doctor); then \
		$(MAKE) --no-print-directory test-fleet BLOCKWATCH_BINARY="$(CURDIR)/$(BINARY)" TEST_ARGS="discover -s Tests/Fleet -p test_hosts.py" && \
		$(if $(TEST_ARGS),$(call run-tests,$(TEST_ARGS)),$(call run-tests,--skip '$(ALONE)|$(ELSEWHERE)') && $(call run-tests,--no-parallel --filter '$(ALONE)')); \
	else \
		echo "$$answer" | grep '^MISS' >&2 || true; \
		echo "blockwatch cannot run on this kernel: the end-to-end tests run on Linux 6.12 in a virtual machine," \
			"but for those on real software, which are NOT run" >&2; \
		$(SWIFT) test --skip-build --skip EndToEnd $(TEST_ARGS) && $(MAKE) --no-print-directory test-kernels KERNELS=6.12; \
	fi

# the faults of a sick host are made one after the other, and while nobody else needs a healthy one
# (by file names: FaultTests+FileSystems.swift is one of them); what measures the host or loads it
ALONE := FaultTests|AccountTests|MaxOverheadTests|ScanEngineTests|ExplainForTests|StackTests
# and what would disturb everybody else only on machines of its own: make test-kernels
ELSEWHERE := MachineTests
run-tests = $(AS_ROOT) env PATH="$$PATH" BLOCKWATCH_BINARY="$(CURDIR)/$(BINARY)" BLOCKWATCH_PROGRAMS="$(CURDIR)/.build/programs" \
	$(SWIFT) test --skip-build $(1)

.PHONY: test-kernels
test-kernels: need-build need-kernels static programs-static ## boot Debian's kernels in virtual machines, run the end-to-end tests there (KERNELS='6.1 6.12')
	$(SWIFT) build $(TEST_FLAGS)
	@Tests/Kernels/run $(KERNELS)

.PHONY: test-aarch64
test-aarch64: need-build ## load the aarch64 BPF object on Debian's arm64 kernel in a virtual machine, hang programs, hold its records against them
	@$(call need-packages,$(CROSS_PACKAGES) $(KERNEL_PACKAGES))
	@Tests/Kernels/aarch64/run $(CLANG)

.PHONY: static
static: need-build ## the binary that needs no library at all, .build-static/release/blockwatch
	@# the linker warns of calls in Foundation that nothing here makes
	@$(SWIFT) build $(STATIC_FLAGS) --product blockwatch 2>&1 | grep -v 'in statically linked applications requires\|is dangerous, better use'

.PHONY: test-core
test-core: need-build ## the tests that need neither root nor a BPF kernel
	$(SWIFT) test --filter 'BlockWatch(Core|Capture)Tests'

.PHONY: build
build: need-build ## the release binary, .build/release/blockwatch
	$(SWIFT) build $(BUILD_FLAGS) --product blockwatch

.PHONY: bpf
bpf: need-build ## compile the BPF programs into the objects that are committed
	@for object in $(BPF_OBJECTS); do $(call compile-bpf,$$object,$$object); done
	@ls -l $(BPF_OBJECTS)

.PHONY: verify-bpf
verify-bpf: need-build ## prove that the committed objects come from the source
	@folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	for object in $(BPF_OBJECTS); do \
		$(call compile-bpf,$$object,$$folder/$$(basename $$object)); \
		cmp "$$object" "$$folder/$$(basename $$object)" || { echo "$$object is not what its source makes: run make bpf and commit it" >&2; exit 1; }; \
	done; echo "the committed BPF objects are what their source makes"

# $(call compile-bpf,name that tells the architecture,output)
compile-bpf = { case $(1) in *x86_64*) arch=x86;; *) arch=arm64;; esac; \
	$(CLANG) $(BPF_FLAGS) -D__TARGET_ARCH_$$arch -c bpf/blockwatch.bpf.c -o $(2) && $(OBJCOPY) --strip-debug $(2); }

.PHONY: syscalls
syscalls: ## generate the table of system calls anew from the kernel's headers
	python3 tools/gen-syscalls.py

.PHONY: schema-docs
schema-docs: ## write the table of fields in SCHEMA.md anew from the schema
	python3 tools/gen-schema-docs.py

.PHONY: verdict-docs
verdict-docs: ## write the paragraph of each reason in docs/verdicts.md anew, from what explain --verdict prints
	swift build
	tools/verdict-docs .build/debug/blockwatch

.PHONY: programs
programs: $(addprefix .build/programs/,hang hang32 where where32 where-static where-stripped where-go where-go-stripped where-mini where-loader where-library.so actor slowfs tracer empty.bpf.o tally tally.bpf.o) ## the programs that the end-to-end tests hang

HANG_SOURCES := $(wildcard Tests/EndToEnd/Programs/hang*.c Tests/EndToEnd/Programs/hang*.h)
.build/programs/hang: $(HANG_SOURCES)
	@mkdir -p $(@D)
	gcc -O1 -Wall -Wextra -Werror -pthread -o $@ $(filter %.c,$^)
.build/programs/hang32: $(HANG_SOURCES)
	@mkdir -p $(@D)
	gcc -m32 -O1 -Wall -Wextra -Werror -pthread -o $@ $(filter %.c,$^)
# built without frame pointers, as most of what runs
WHERE_FLAGS = $(if $(findstring 32,$(@F)),-m32) $(if $(findstring static,$(@F)),-static) $(if $(findstring stripped,$(@F)),-s)
.build/programs/where .build/programs/where32 .build/programs/where-static .build/programs/where-stripped: Tests/EndToEnd/Programs/where.c
	@mkdir -p $(@D)
	gcc $(WHERE_FLAGS) -O2 -fomit-frame-pointer -Wall -Wextra -Werror -pthread -o $@ $<
# stripped, with its symbols in .gnu_debugdata, as Fedora has its programs
.build/programs/where-mini: .build/programs/where
	objcopy --only-keep-debug $< $@.symbols
	xz -f $@.symbols
	objcopy --strip-all --add-section .gnu_debugdata=$@.symbols.xz $< $@
.build/programs/where-loader .build/programs/where-library.so: Tests/EndToEnd/Programs/library.c
	@mkdir -p $(@D)
	gcc $(if $(findstring loader,$(@F)),-DLOADER,-shared -fPIC) -O2 -fomit-frame-pointer -Wall -Wextra -Werror -o $@ $<
# what its own linker makes, and what is hardest to read: position-independent, linked by gcc, without symbols
.build/programs/where-go .build/programs/where-go-stripped: $(wildcard Tests/EndToEnd/Programs/where-go/*.go)
	@mkdir -p $(@D)
	GO111MODULE=off GOFLAGS= GOCACHE=$(CURDIR)/.build/go-cache go build $(if $(findstring stripped,$(@F)),-buildmode=pie -ldflags='-s -w') \
		-o $@ $^
.build/programs/actor: Tests/EndToEnd/Programs/actor.c
	@mkdir -p $(@D)
	gcc -O1 -Wall -Wextra -Werror -pthread -o $@ $<
.build/programs/slowfs: Tests/EndToEnd/Programs/slowfs.c
	@mkdir -p $(@D)
	gcc -O1 -Wall -Wextra -Werror -pthread -o $@ $<
.build/programs/tally: Tests/EndToEnd/Programs/tally.h
.build/programs/tracer .build/programs/tally: .build/programs/%: Tests/EndToEnd/Programs/%.c
	@mkdir -p $(@D)
	gcc -O1 -Wall -Wextra -Werror -pthread -o $@ $< -l:libbpf.a -l:libelf.a -l:libz.a
.build/programs/tally.bpf.o: Tests/EndToEnd/Programs/tally.bpf.c Tests/EndToEnd/Programs/tally.h
	@mkdir -p $(@D)
	$(CLANG) -target bpf -mcpu=v3 -O2 -g -Wall -Werror -I/usr/include/$$(gcc -print-multiarch) -c $< -o $@
.build/programs/empty.bpf.o .build/bench/empty.bpf.o: bench/programs/empty.bpf.c
	@mkdir -p $(@D)
	$(CLANG) -target bpf -mcpu=v3 -O2 -g -c $< -o $@

.build/bench/sample.bpf.o: bench/programs/sample.bpf.c bench/programs/sample.h bpf/kernel_types.h bpf/kernel_constants.h
	@mkdir -p $(@D)
	$(CLANG) $(BPF_FLAGS) -D__TARGET_ARCH_$(if $(filter aarch64,$(shell uname -m)),arm64,x86) -c $< -o $@

.PHONY: programs-static
programs-static: .build-static/programs/hang .build-static/programs/hang32

.build-static/programs/hang .build-static/programs/hang32: $(HANG_SOURCES)
	@mkdir -p $(@D)
	gcc $(if $(findstring 32,$(@F)),-m32) -static -O1 -Wall -Wextra -Werror -pthread -o $@ $(filter %.c,$^)

.PHONY: fmt
fmt: ## format the Swift sources in place
	$(SWIFT) format --in-place --parallel --recursive Package.swift Sources Tests

.PHONY: lint
lint: ## fail on anything that is not formatted or breaks a rule
	$(SWIFT) format lint --strict --parallel --recursive Package.swift Sources Tests
	@$(call need-packages,python3)
	python3 tools/gen-index-template.py --check

.PHONY: check
check: lint verify-bpf ## format, lint, BPF object against its source, builds without warnings, tests
	$(MAKE) test WARNINGS=error

# What the sanitizers see: the tests that need no root, then the real binary under the end-to-end tests. Left out: what measures
# memory, a thread that never comes back from the kernel (the leak sanitizer waits for it), and the account, which a slow
# reader loses part of. The system call filter is off: a sanitizer makes calls of its own.
SANITIZED := 'StreamTests|LookTests|CallTests|ResourceTests|FaultTests'
UNSANITIZED := '64 MB|killed for its memory|30,000 threads|nobody reads stdout|locked for ever'
.PHONY: sanitize-thread sanitize-address
sanitize-thread sanitize-address: sanitize-%: need-build need-test need-root programs ## the tests, built with the thread or the address sanitizer (root, 15 minutes)
	$(SWIFT) build --build-tests --sanitize=$* --scratch-path .build-$* -Xswiftc -DUNCONFINED $(if $(JOBS),-j $(JOBS))
	$(SANITIZER) $(SWIFT) test --skip-build --sanitize=$* --scratch-path .build-$* --filter 'BlockWatch(Core|Capture)Tests'
	$(SWIFT) build $(TEST_FLAGS)
	$(AS_ROOT) env PATH="$$PATH" $(SANITIZER) BLOCKWATCH_PATIENCE=4 BLOCKWATCH_BINARY="$(CURDIR)/.build-$*/debug/blockwatch" \
		BLOCKWATCH_PROGRAMS="$(CURDIR)/.build/programs" $(SWIFT) test --skip-build --no-parallel --filter $(SANITIZED) --skip $(UNSANITIZED)

# the exit code of what a sanitizer has found something in; no test expects it
SANITIZER = env TSAN_OPTIONS=halt_on_error=1:exitcode=66 ASAN_OPTIONS=exitcode=66 \
	LSAN_OPTIONS=exitcode=66:suppressions="$(CURDIR)/Tests/leaks.suppressed"

# Real log shippers, Prometheus and validators: unpacked into .build/debian, not installed (tools/from-debian).
SHIPPER_PROGRAMS := rsyslog libestr0 libfastjson4 liblognorm5 bsdutils syslog-ng-core libivykis0 libnet1 lnav libarchive13 jq libjq1 \
	libonig5 prometheus prometheus-node-exporter prometheus-alertmanager buildah skopeo umoci crun libgpgme11 libassuan0 libdevmapper1.02.1 \
	libyajl2 libsubid4 golang-github-opencontainers-image-spec-dev docker-compose
SHIPPER_PACKAGES := systemd libsystemd0 python3 python3-jsonschema python3-yaml python3-venv gcc libc6-dev binutils util-linux

.PHONY: test-shippers
test-shippers: need-build need-root $(if $(BLOCKWATCH),,build) programs image-layout ## rsyslog, syslog-ng, journald, lnav, jq, Prometheus, runbook, image: each is started and must give back what it was given (root, a minute)
	@$(call need-packages,$(SHIPPER_PACKAGES))
	@tools/from-debian .build/debian $(SHIPPER_PROGRAMS)
	@[ -x .build/shippers-venv/bin/kubernetes-validate ] || \
		{ /usr/bin/python3 -m venv .build/shippers-venv && .build/shippers-venv/bin/pip -q install kubernetes-validate; }
	@cd Tests/Shippers && $(AS_ROOT) env PATH="$$PATH" BLOCKWATCH="$(or $(BLOCKWATCH),$(CURDIR)/$(BINARY))" \
		BLOCKWATCH_PROGRAMS="$(CURDIR)/.build/programs" /usr/bin/python3 -B -W error::ResourceWarning -m unittest $(or $(TEST_ARGS),discover)

# DuckDB always, ClickHouse's engine where there is one for this machine; the tests say which have run.
FLEET_PYTHON := .build/fleet-venv/bin/python
.PHONY: need-fleet
need-fleet:
	@$(call need-packages,python3 python3-venv iproute2 util-linux haproxy)
	@[ -x $(FLEET_PYTHON) ] || /usr/bin/python3 -m venv .build/fleet-venv
	@cmp -s fleet/requirements.txt .build/fleet-venv/requirements.txt || \
		{ .build/fleet-venv/bin/pip -q install --no-deps -r fleet/requirements.txt && cp fleet/requirements.txt .build/fleet-venv; }
	@cmp -s fleet/requirements-chdb.txt .build/fleet-venv/requirements-chdb.txt || \
		{ .build/fleet-venv/bin/pip -q install --no-deps -r fleet/requirements-chdb.txt && cp fleet/requirements-chdb.txt .build/fleet-venv; } || \
		echo "chdb cannot be installed here: what is tested with ClickHouse is NOT run" >&2

# both databases at once; the second process has what only chdb takes
fleet-tests = BLOCKWATCH_BINARY="$(or $(BLOCKWATCH_BINARY),$(CURDIR)/$(BINARY))" $(FLEET_PYTHON) -B -m unittest discover -s Tests/Fleet
run-fleet = $(fleet-tests) -k test_duckdb -k Agreement -k test_both & first=$$!; \
	$(fleet-tests) -k test_clickhouse -k Outside && wait $$first || { kill $$first 2>/dev/null; false; }

.PHONY: test-fleet
test-fleet: need-build need-fleet need-root $(if $(BLOCKWATCH_BINARY),,build) ## who holds up whom across hosts, in DuckDB and ClickHouse: known truths, and real programs on simulated hosts
	@$(if $(TEST_ARGS),,$(call run-fleet) && )$(AS_ROOT) env PATH="$$PATH" BLOCKWATCH_BINARY="$(or $(BLOCKWATCH_BINARY),$(CURDIR)/$(BINARY))" \
		$(FLEET_PYTHON) -B -m unittest $(or $(TEST_ARGS),discover -s Tests/Fleet -p test_hosts.py)

.PHONY: dashboard index-template
dashboard: ## write Grafana's model of the dashboard anew
	python3 tools/gen-dashboard.py
	python3 tools/gen-fleet-dashboard.py
index-template: ## write the index template for Elasticsearch and OpenSearch anew from the schema
	python3 tools/gen-index-template.py

.PHONY: image-layout
image-layout: static ## the container image as an OCI layout, .build/image: the static binary on nothing
	@tools/image-layout .build-static/release/blockwatch .build/image

.PHONY: nightly
nightly: ## what is too long for every change: both sanitizers, an hour of soak, a busy host for ten minutes, 5,000 topologies, ten minutes of fuzzing, log shippers, all kernels, aarch64, the packages
	$(MAKE) sanitize-thread
	$(MAKE) sanitize-address
	$(MAKE) soak SOAK_SECONDS=3600
	$(MAKE) quiet QUIET_SECONDS=600
	$(MAKE) topologies TOPOLOGIES=5000
	$(MAKE) fuzz FUZZ_SECONDS=600
	$(MAKE) test-shippers
	$(MAKE) test-kernels
	$(MAKE) test-aarch64
	$(MAKE) test-package

# What others' bytes can do; libFuzzer and its instrumentation come with the toolchain. gold, the default linker, breaks off.
FUZZ_SECONDS ?= 30
FUZZ_FLAGS := -c release --scratch-path .build-fuzz -Xswiftc -sanitize=fuzzer -Xswiftc -enable-testing \
	-Xswiftc -Xclang-linker -Xswiftc -fuse-ld=lld $(if $(JOBS),-j $(JOBS))
FUZZER := .build-fuzz/release/BlockWatchFuzz

.PHONY: fuzz
fuzz: need-build need-test need-root build programs ## fuzz every door that bytes of others come in by: decoders for FUZZ_SECONDS=30, the process that walks stacks for a sixth of that (root)
	BLOCKWATCH_FUZZ=1 $(SWIFT) build $(FUZZ_FLAGS) --product BlockWatchFuzz
	Tests/Fuzz/run $(FUZZER) $(FUZZ_SECONDS)
	@$(call need-packages,python3 gcc binutils libc6-dev)
	$(AS_ROOT) Tests/Fuzz/workers $(BINARY) .build/programs $$(( ($(FUZZ_SECONDS) + 5) / 6 ))

.PHONY: fuzz-corpus
fuzz-corpus: ## keep what fuzzing has found: the inputs that reach new code, for Tests/Fuzz/corpus
	Tests/Fuzz/seeds
	Tests/Fuzz/run $(FUZZER) 0 merge

# A run of some length on a host where everything comes and goes; its checks are checked first.
SOAK_SECONDS ?= 3600

.PHONY: soak
soak: need-test need-root $(if $(BLOCKWATCH),,build) programs bench-programs ## watch a host in churn for an hour: nothing lost, leaked, missed or accused; SOAK_SECONDS=90 in CI
	@/usr/bin/python3 -B Tests/Soak/test_checks.py 2>&1 | tail -n 30
	@$(AS_ROOT) env PATH="$$PATH" SOAK_SECONDS="$(SOAK_SECONDS)" $(foreach name,SOAK_SEED SOAK_RECORDS BLOCKWATCH FAULTS,$(if $($(name)),$(name)="$($(name))")) \
		Tests/Soak/soak

# Nothing hangs on it, and nothing may be said of it; its checks are those of the soak.
QUIET_SECONDS ?= 600
QUIET_PACKAGES := make gcc libc6-dev python3 tar zstd openssh-client openssh-server socat apt dpkg rsync coreutils findutils util-linux

.PHONY: quiet
quiet: need-quiet need-root $(if $(BLOCKWATCH),,build) ## a busy host on which nothing hangs must be quiet: builds, pipelines, packages, backups; QUIET_SECONDS=600
	@/usr/bin/python3 -B Tests/Soak/test_checks.py QuietHost 2>&1 | tail -n 30
	@$(AS_ROOT) env PATH="$$PATH" QUIET_SECONDS="$(QUIET_SECONDS)" $(foreach name,QUIET_ONLY QUIET_RECORDS BLOCKWATCH,$(if $($(name)),$(name)="$($(name))")) \
		Tests/Soak/quiet

# Threads that wait for each other in all ways, made by chance; its model and its checks are checked first.
.PHONY: topologies
topologies: need-test need-root $(if $(BLOCKWATCH),,build) programs ## hold holders, roots and deadlocks of random topologies to the truth; TOPOLOGIES=200 SEED=4711
	@/usr/bin/python3 -B Tests/Topologies/test_checks.py 2>&1 | tail -n 30
	@$(AS_ROOT) env PATH="$$PATH" $(foreach name,TOPOLOGIES SEED LOOK KEEP SHOWN RAW BLOCKWATCH,$(if $($(name)),$(name)="$($(name))")) \
		/usr/bin/python3 -B Tests/Topologies/topologies $(PLAY)

.PHONY: bench
bench: need-build need-bench need-root $(if $(BLOCKWATCH),,build) bench-programs ## what it costs beside other tools; BENCH=part,... QUICK=1
	@$(AS_ROOT) env PATH="$$PATH" $(foreach name,BENCH QUICK CHURN STRICT BLOCKWATCH OUT,$(if $($(name)),$(name)="$($(name))")) bench/run

.PHONY: bench-holders
bench-holders: ## finding the other ends of 10,000 calls, beside lsof
	@$(MAKE) bench BENCH=holders

# ---- the programs of bench/ ----

BENCH_PLAIN := $(addprefix .build/bench/,loop crowd churn)
BENCH_LIBBPF := $(addprefix .build/bench/,attach iterate links maps sample)

.PHONY: bench-programs
bench-programs: $(BENCH_PLAIN) $(BENCH_LIBBPF) .build/bench/empty.bpf.o .build/bench/sample.bpf.o

.build/bench/sample: bench/programs/sample.h
$(BENCH_PLAIN) $(BENCH_LIBBPF): .build/bench/%: bench/programs/%.c bench/programs/common.h
	@mkdir -p $(@D)
	gcc -O2 -Wall -Wextra -Werror -pthread -o $@ $< $(if $(filter $@,$(BENCH_LIBBPF)),-l:libbpf.a -l:libelf.a -l:libz.a)

include packaging/package.mk

.PHONY: clean
clean: ## remove what was built
	rm -rf .build .build-fuzz .build-static .build-thread .build-address

# ---- what the machine must have ----

AS_ROOT = $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: need-root
need-root:
	@if [ "$$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then \
		echo "loading BPF programs needs root: run this as root, or install sudo" >&2; exit 1; fi

.PHONY: need-build
need-build:
	@command -v $(SWIFT) >/dev/null || { echo "no Swift toolchain in PATH: install Swift 6.2 or newer (swift.org/install), then run this again" >&2; exit 1; }
	@$(call need-packages,$(BUILD_PACKAGES))

.PHONY: need-test
need-test:
	@$(call need-packages,$(TEST_PACKAGES))
	@$(call need-servers,$(TEST_SOFTWARE))

.PHONY: need-quiet
need-quiet:
	@$(call need-packages,$(filter-out openssh-server,$(QUIET_PACKAGES)))
	@$(call need-servers,openssh-server)

.PHONY: need-bench
need-bench:
	@$(call need-packages,$(BENCH_TOOLS))
	@$(call need-servers,$(BENCH_SERVERS))

# $(call need-servers,names): the same for packages that would start services: these are not started
need-servers = policy=/usr/sbin/policy-rc.d; \
	if [ "$$(id -u)" = 0 ] && [ ! -e $$policy ]; then \
		trap 'rm -f $$policy' EXIT; printf '\#!/bin/sh\nexit 101\n' > $$policy; chmod 755 $$policy; fi; \
	$(call need-packages,$(1))

.PHONY: need-kernels
need-kernels:
	@$(call need-packages,$(TEST_PACKAGES) $(KERNEL_PACKAGES))

# $(call need-packages,names): installs those that are missing, and says so
need-packages = missing=$$(for p in $(1); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -n "$$missing" ]; then \
		if ! command -v apt-get >/dev/null; then echo "missing, and this is no Debian: " $$missing >&2; exit 1; fi; \
		if [ "$$(id -u)" = 0 ]; then as_root=; elif command -v sudo >/dev/null; then as_root=sudo; \
		else echo "missing:" $$missing "- install them as root: apt-get install" $$missing >&2; exit 1; fi; \
		echo "installing" $$missing >&2; \
		export DEBIAN_FRONTEND=noninteractive; \
		$$as_root apt-get -q update </dev/null >/dev/null; \
		$$as_root apt-get -q -y -o DPkg::Lock::Timeout=600 install --no-install-recommends $$missing </dev/null >/dev/null; \
	fi
