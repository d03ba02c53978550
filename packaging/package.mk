# Man pages, installing, packages. Included by the Makefile.

VERSION := $(shell sed -n 's/^let blockwatchVersion = "\(.*\)"/\1/p' Sources/BlockWatch/BlockWatch.swift)
DEB_REVISION := 1
MAINTAINER ?= The blockwatch authors <blockwatch@localhost>
# of the commit: two builds of it are the same to the byte
SOURCE_DATE_EPOCH ?= $(or $(shell git log -1 --format=%ct 2>/dev/null),$(shell stat -c %Y CHANGELOG.md))
SYSCONFDIR ?= /etc
STATIC_BINARY := .build-static/release/blockwatch
# what make install puts in place
INSTALLED ?= $(BINARY)
DIST := .build/dist
MAN_PAGES := $(wildcard packaging/man/*.[15])
PACKAGE_PACKAGES := mandoc man-db lintian debootstrap bash-completion zsh fish logrotate runit util-linux xz-utils python3

.PHONY: man
man: need-build ## write man pages, completions and the commented config file anew, from what --help is made from
	swift build --product blockwatch
	tools/gen-man.py .build/debug/blockwatch packaging

.PHONY: check-man
check-man: ## fail if these are not what the program says
	tools/gen-man.py $(or $(BLOCKWATCH),$(BINARY)) packaging --check

# $(call each-file,do): `do MODE SOURCE TARGET` for each file; TARGET is where it belongs, without DESTDIR
each-file = \
	$(1) 0755 "$(INSTALLED)" "$(PREFIX)/bin/blockwatch"; \
	$(1) 0644 schema/blockwatch-1.json "$(PREFIX)/share/blockwatch/blockwatch-1.json"; \
	for page in $(MAN_PAGES); do $(1) 0644 $$page "$(PREFIX)/share/man/man$${page\#\#*.}/$${page\#\#*/}"; done; \
	$(1) 0644 packaging/completions/blockwatch.bash "$(PREFIX)/share/bash-completion/completions/blockwatch"; \
	$(1) 0644 packaging/completions/_blockwatch "$(PREFIX)/share/zsh/$(ZSH_FOLDER)/_blockwatch"; \
	$(1) 0644 packaging/completions/blockwatch.fish "$(PREFIX)/share/fish/vendor_completions.d/blockwatch.fish"; \
	$(1) 0644 packaging/systemd/blockwatch.service "$(PREFIX)/lib/systemd/system/blockwatch.service"; \
	$(1) 0644 packaging/systemd/blockwatch.sysusers "$(PREFIX)/lib/sysusers.d/blockwatch.conf"; \
	for file in run finish log/run; do $(1) 0755 packaging/runit/$$file "$(PREFIX)/share/blockwatch/runit/$$file"; done; \
	$(1) 0644 packaging/logrotate/blockwatch.copytruncate "$(PREFIX)/share/blockwatch/logrotate.copytruncate"
ZSH_FOLDER ?= $(if $(filter /usr,$(PREFIX)),vendor-completions,site-functions)
# what belongs to whoever edits it: never overwritten
each-conffile = \
	$(1) 0644 packaging/blockwatch.conf "$(SYSCONFDIR)/blockwatch/blockwatch.conf"; \
	$(1) 0644 packaging/logrotate/blockwatch "$(SYSCONFDIR)/logrotate.d/blockwatch"

.PHONY: install
install: ## put binary, service, man pages and completions below PREFIX, the config file below /etc (and all below DESTDIR)
	@test -x $(INSTALLED) || { echo "nothing to install yet: run make build first" >&2; exit 1; }
	@umask 022; \
	put() { install -D -m "$$1" "$$2" "$(DESTDIR)$$3"; }; \
	keep() { if [ -e "$(DESTDIR)$$3" ]; then echo "kept: $(DESTDIR)$$3" >&2; else put "$$@"; fi; }; \
	$(call each-file,put); $(call each-conffile,keep); \
	if [ "$(PREFIX)" != /usr ]; then \
		sed -i 's#/usr/bin/blockwatch#$(PREFIX)/bin/blockwatch#' "$(DESTDIR)$(PREFIX)/lib/systemd/system/blockwatch.service" \
			"$(DESTDIR)$(PREFIX)/share/blockwatch/runit/run"; fi

.PHONY: uninstall
uninstall: ## remove what make install has put in place, but for what is below /etc
	@remove() { rm -f "$(DESTDIR)$$3"; }; $(call each-file,remove); \
	for folder in share/blockwatch/runit/log share/blockwatch/runit share/blockwatch; do \
		rmdir --ignore-fail-on-non-empty "$(DESTDIR)$(PREFIX)/$$folder" 2>/dev/null || true; done
	@echo "kept: $(DESTDIR)$(SYSCONFDIR)/blockwatch, $(DESTDIR)$(SYSCONFDIR)/logrotate.d/blockwatch" >&2

# ---- what is given away: from the static binary ----

.PHONY: deb
deb: $(if $(PREBUILT),,static) ## the Debian package, .build/dist/blockwatch_VERSION_ARCHITECTURE.deb (PREBUILT=1: of the static binary as it is)
	@packaging/make-deb "$(STATIC_BINARY)" "$(VERSION)-$(DEB_REVISION)" "$(SOURCE_DATE_EPOCH)" "$(DIST)" "$(MAINTAINER)"

.PHONY: tarball
tarball: $(if $(PREBUILT),,static) ## the same for other distributions, .build/dist/blockwatch-VERSION-linux-MACHINE.tar.gz
	@packaging/make-tarball "$(STATIC_BINARY)" "$(VERSION)" "$(SOURCE_DATE_EPOCH)" "$(DIST)"

.PHONY: need-package
need-package:
	@$(call need-packages,$(filter-out runit,$(PACKAGE_PACKAGES)))
	@$(call need-servers,runit)

.PHONY: test-package
test-package: need-package need-root $(if $(PREBUILT),,static) programs ## man pages, completions, rotation, runit, lintian, and the package in chroots of Debian 12 and 13 (PARTS='man shells …')
	@$(AS_ROOT) env PATH="$$PATH" packaging/test/run $(STATIC_BINARY) $(PARTS)
