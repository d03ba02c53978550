import Glibc

@testable import BlockWatchCore

/// A folder in the shape of /proc with one process, 7, and its thread 8; the caller of the program clears it away.
let fixtureRoot: String = {
    let root = getenv("BLOCKWATCH_FUZZ_PROC").map { String(cString: $0) } ?? "/nonexistent"
    func folder(_ path: String) { mkdir("\(root)/\(path)", 0o755) }
    func link(_ path: String, _ target: String) { symlink(target, "\(root)/\(path)") }
    func file(_ path: String, _ text: String) {
        guard let file = fopen("\(root)/\(path)", "w") else { return }
        fputs(text, file)
        fclose(file)
    }
    for path in ["7", "7/task", "7/task/8", "7/task/8/fd"] { folder(path) }
    file("7/task/8/stat", "8 (worker) S 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 2 0 200 0 0")
    link("7/task/8/exe", "/usr/bin/c\u{1b}at")
    link("7/task/8/root", "/srv")
    link("7/task/8/cwd", "/srv/home")
    link("7/task/8/fd/3", "/srv/data/\u{202e}x")
    return root
}()

/// Texts of /proc and /etc, by the parser that the first byte chooses.
func fuzzProc(_ bytes: [UInt8]) {
    var input = Input(bytes)
    let which = input.byte() % 10
    let number = input.number(8)
    let text = input.rest()
    switch which {
    case 0:
        if let status = ThreadStatus(text) { require(status.processID >= 0 && status.parentID >= 0, "negative") }
    case 1: _ = ProcFS.startTicks(stat: text)
    case 2:
        let arguments = ProcFS.arguments(commandLine: text)
        for policy in CommandLinePolicy.allCases {
            guard let line = policy.render(arguments) else { continue }
            require(
                line.utf8.count <= 4 * text.count + 2 * arguments.count + 3,
                "\(line.utf8.count) bytes from \(text.count)")
        }
    case 3: _ = MountTable.source(ofDevice: "8:1", mountinfo: text)
    case 4:
        let users = UserNames(passwd: text)
        _ = users.name(uid: UInt32(truncatingIfNeeded: number))
        require(users.count <= text.count, "more users than bytes")
    case 5: _ = CgroupIdentity(path: String(decoding: text, as: UTF8.self))
    case 6: _ = ProcFS.leadsThroughProcessLink(String(decoding: text, as: UTF8.self))
    case 7:
        // the pass over the open files, and the items of epolls in it
        let answers = try? HolderRecords.files(text)
        for member in answers?.sets.flatMap(SetMembers.epollMembers) ?? [] {
            require(member.descriptor >= 0, "negative")
        }
    case 8: _ = FileKind.withoutDeletedMark(text)
    default: _ = ProcFS.decimal(text[...])
    }
}

/// Memory of processes: pollfd arrays, bit sets, futexes, locks and time-outs.
func fuzzMemory(_ bytes: [UInt8]) {
    var input = Input(bytes)
    let names = [
        "poll", "ppoll", "select", "pselect6", "epoll_wait", "fcntl", "fcntl64", "flock", "futex", "nanosleep",
        "semtimedop",
    ]
    let name = names[Int(input.byte()) % names.count]
    let abi = ABI.allCases[Int(input.byte()) % ABI.allCases.count]
    let arguments = (0..<6).map { _ in input.number(Int(input.byte() & 7) + 1) }
    let call = SystemCall(name: name, number: 0, abi: abi, arguments: arguments)
    let record = CallRecord(raw: .init())
    let texts = [input.take(Int(input.number(2) & 1023)), input.rest()]
    var answers: [RiskyQuestion: RiskyAnswer] = [:]
    for (index, question) in SetMembers.questions(record, call).enumerated() {
        if case .memory(_, _, let length) = question {
            require(length > 0 && length <= 65_536 * 8, "asks for \(length)")
        }
        answers[question] = .bytes(texts[index % 2])
    }
    if case .known(let set) = SetMembers.members(record, call, answers) {
        require(set.members.count <= SetMembers.mostMembers, "\(set.members.count) members")
        for member in set.members { require(member.descriptor >= 0, "negative") }
    }
    _ = SetMembers.selectMembers(readers: texts[0], writers: texts[1], below: Int(truncatingIfNeeded: arguments[0]))
    _ = SetMembers.pollMembers(texts[0])
    _ = FutexOwner.read(call, word: texts[0], around: texts[1])
    _ = FutexOwner.read(call, word: texts[0], around: nil)
    if case .memory(_, _, let length) = SemaphoreTaker.operations(pid: 1, call) {
        require(length <= 12, "asks for \(length)")
    }
    if let lock = SemaphoreTaker.Locking(operations: texts[0]),
        case .known(let taker) = SemaphoreTaker.read(texts[1], lock)
    {
        require(taker.pid > 0, "a taker \(taker.pid)")
    }
    if let lock = UserMemory.lockCall(call) {
        let object = KernelObject(raw: .init())
        for object in [nil, object] {
            guard let fields = UserMemory.lockFields(lock, call, memory: texts[0], object: object) else { continue }
            if let start = fields.start, let end = fields.end {
                require(start <= end || end == 0, "\(start) to \(end)")
            }
        }
    }
    for info in SyscallTable.table(for: abi).all {
        guard let timeout = info.timeout else { continue }
        _ = UserMemory.timeoutStructure(timeout, call)
        _ = UserMemory.timeout(timeout, call, memory: .known(texts[0]))
    }
}

/// A config file, and its rules against a call.
func fuzzConfig(_ bytes: [UInt8]) {
    do throws(ConfigFile.ParseError) {
        let config = try ConfigFile(bytes)
        let subject = FilterSubject(
            syscall: "read", pid: 7, tid: 8, names: ["cat", "\u{1b}"], userID: 0, userName: "root", cgroup: "/x",
            unit: nil,
            container: "0123456789abcdef", path: "/srv/[x", ports: [80], durationNanoseconds: 5, reason: "lock_held")
        guard let read = SyscallTable.table(for: .x86_64)[0] else { fatalError("no read") }
        for rule in config.ignoreRules { _ = rule.ignores(subject) }
        for entry in config.entries {
            require(entry.line > 0 && !entry.key.isEmpty, "line \(entry.line)")
            for field in FilterField.allCases {
                for value in FilterField.elements(entry.value) {
                    do throws(FilterError) { try field.check(value) } catch { continue }
                    _ = Filter(include: [field: [value]]).admits(subject)
                    _ = Filter(include: [field: [value]], exclude: [field: [value]]).mayAdmit(read)
                }
            }
        }
    } catch {
        require(error.line > 0 && !error.what.isEmpty, "line \(error.line)")
        checkText(TerminalText.escaped(error.what))
    }
}

/// Durations, times, cuts and escapes.
func fuzzText(_ bytes: [UInt8]) {
    var input = Input(bytes)
    let budget = Int(input.number(2))
    let text = input.rest()
    let string = String(decoding: text, as: UTF8.self)
    do throws(DurationError) {
        let nanoseconds = try parseDuration(string)
        checkText(TerminalText.duration(nanoseconds: nanoseconds))
    } catch { checkText(error.description) }
    if let wall = Timestamp.nanoseconds(rfc3339: text) {
        let again = Timestamp.rfc3339(
            seconds: Int64(wall / 1_000_000_000), nanoseconds: Int64(wall % 1_000_000_000))
        require(
            Timestamp.nanoseconds(rfc3339: again.utf8) == wall / 1000 * 1000, "\(string) is \(again)")
    }
    checkText(TerminalText.escaped(text))
    let width = budget % 200
    for keep in [JSONWriter.Keep.head, .headAndTail] {
        let cut = TerminalText.cut(TerminalText.escaped(text), to: width, keep: keep)
        require(TerminalText.width(cut) <= width, "\(TerminalText.width(cut)) columns of \(width)")
        let column = TerminalText.padded(TerminalText.cut(string, to: width, keep: keep), to: width)
        require(TerminalText.width(column) == width, "not \(width) columns")
        let (part, wasCut) = JSONWriter.cut(text, budget: budget, keep: keep)
        require(JSONWriter.escapedCount(part) <= budget, "\(JSONWriter.escapedCount(part)) bytes of \(budget)")
        require(wasCut || part == text, "changed")
        var json = JSONWriter()
        json.beginObject()
        json.string("k", part)
        json.endObject()
        json.newline()
        checkNDJSON(json.bytes, limit: budget + 9)
    }
    _ = ByteText.base64(text)
}

/// A recorded stream of anybody's.
func fuzzReplay(_ bytes: [UInt8]) {
    var input = Input(bytes)
    let step = Int(input.byte()) + 1
    let until = input.byte() & 1 == 0 ? nil : input.number(8)
    var recording = Recording(until: until)
    // the same lines, however they come
    let text = input.rest()
    var whole = LineSplitter(limit: 8192)
    var lines: [LineSplitter.Line] = []
    whole.feed(text[...]) { lines.append($0) }
    whole.finish { lines.append($0) }
    var parts = LineSplitter(limit: 8192)
    recording.beginFile("f")
    var count = 0
    func add(_ line: LineSplitter.Line) {
        require(count < lines.count && lines[count] == line, "line \(count) is another")
        count += 1
        recording.add(line)
    }
    for start in stride(from: 0, to: text.count, by: step) {
        parts.feed(text[start..<min(start + step, text.count)], add)
    }
    parts.finish(add)
    require(count == lines.count, "\(count) lines of \(lines.count)")
    require(recording.lines == UInt64(count), "\(recording.lines) lines")
    for all in [false, true] {
        let report = ReplayReport(recording, .init(all: all))
        for line in report.lines() { checkText(line) }
        report.ndjson { checkJSON($0) }
    }
}

/// Like ``checkNDJSON(_:limit:)``, of objects that others have written: they may have a key twice.
private func checkJSON(_ line: [UInt8]) {
    require(line.last == 10 && !line.dropLast().contains { $0 < 0x20 || $0 == 0x7f }, "a control character")
    guard let document = try? JSONDocument(line), document.range == 0..<line.count - 1 else { fatalError("no JSON") }
}

/// Names of rules and of what was lost, in the file for Prometheus.
func fuzzMetrics(_ bytes: [UInt8]) {
    var input = Input(bytes)
    var totals = Totals()
    totals.blocked = input.number(8)
    for _ in 0..<Int(input.byte() & 7) {
        totals.hidden[String(decoding: input.take(Int(input.byte())), as: UTF8.self)] = input.number(8)
    }
    let rest = String(decoding: input.rest(), as: UTF8.self)
    totals.lost[rest] = .max
    var reading = MetricsReading(usage: OwnUsage(cpuNanoseconds: .max, residentBytes: totals.blocked))
    reading.totals = totals
    reading.open.count = Int(truncatingIfNeeded: totals.blocked)
    reading.open.byReason[.lockHeld] = totals.blocked
    reading.open.oldest[.stuck] = .max
    // a cgroup's name is anybody's
    reading.open.byService[Services.name(CgroupIdentity(path: "/\(rest).service"))] = [.stuck: totals.blocked]
    reading.threads = .max
    reading.scanNanoseconds = totals.blocked
    let text = MetricsText.text(reading)
    require(text.utf8.last == 10, "no newline at its end")
    var samples: Set<Substring> = []
    for line in text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map({
        Substring($0)
    }) {
        if line.hasPrefix("# ") { continue }
        checkText(String(line))
        guard let blank = line.lastIndex(of: " ") else { fatalError("no value: \(line)") }
        let name = line[..<blank]
        require(
            line[line.index(after: blank)...].allSatisfy { $0.isNumber || $0 == "." || $0 == "-" }, "no number: \(line)"
        )
        // Prometheus refuses a file that has one twice
        require(samples.insert(name).inserted, "\(name) twice")
        guard let open = name.unicodeScalars.firstIndex(of: "{") else { continue }
        var labels = name.unicodeScalars[open...].dropFirst()
        repeat {
            // quotes and backslashes inside of a value are escaped
            labels = labels.drop { $0 != "\"" }.dropFirst()
            while let scalar = labels.first, scalar != "\"" {
                labels = labels.dropFirst()
                guard scalar == "\\" else { continue }
                require(labels.first == "\"" || labels.first == "\\", "an escape of its own: \(line)")
                labels = labels.dropFirst()
            }
            labels = labels.dropFirst()
        } while labels.first == ","
        require(String(labels) == "}", "label \(name)")
    }
}
