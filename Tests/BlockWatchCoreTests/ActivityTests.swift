import BlockWatchBPF
import Foundation
import Testing

@testable import BlockWatchCore

/// Calls as the kernel side tells them, one behind the other.
private struct Script {
    var calls: [WatchedCall] = []
    private var now: UInt64 = 1_000_000_000
    private var sequence: UInt64 = 0
    let pid = 100

    mutating func call(
        _ name: String, _ result: Int64, _ arguments: [UInt64] = [0, 0, 0, 0, 0, 0], payload: [UInt8] = [],
        taking nanoseconds: UInt64 = 1000, abi: ABI = .x86_64
    ) {
        sequence += 1
        calls.append(
            WatchedCall(
                who: UInt64(pid), sequence: sequence, startNanoseconds: now, durationNanoseconds: nanoseconds,
                result: result, arguments: arguments, pid: pid, tid: pid,
                number: SyscallTable.table(for: abi).number(named: name) ?? 999, abi: abi, payload: payload))
        now += nanoseconds + 500
    }

    var sums: [CallSum] {
        calls.map { call in
            let info = SyscallTable.table(for: call.abi)[call.number]
            return CallSum(
                who: call.who, object: 0, number: call.number, abi: call.abi,
                errno: (-4095..<0).contains(call.result) ? -call.result : 0, count: 1,
                totalNanoseconds: call.durationNanoseconds, longestNanoseconds: call.durationNanoseconds,
                bytes: call.result > 0 && info?.movesBytes ?? false ? UInt64(call.result) : 0,
                zeros: call.result == 0 ? 1 : 0)
        }
    }

    func thread(processor: Double, wall: UInt64 = 3_000_000_000, ends: [Int: ChildEnd] = [:], isInOneCall: Bool = false)
        -> ThreadActivity
    {
        ThreadActivity(
            pid: pid, tid: pid, name: Array("worker".utf8), wallNanoseconds: wall,
            processorNanoseconds: UInt64(Double(wall) * processor), queuedNanoseconds: 0, calls: calls, sums: sums,
            ends: ends, isInOneCall: isInOneCall)
    }
}

private func path(_ text: String) -> [UInt8] { Array(text.utf8) + [0] }
/// 127.0.0.1 and a port.
private func loopback(_ port: UInt16) -> [UInt8] {
    [2, 0, UInt8(port >> 8), UInt8(port & 255), 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
}
private func seconds(_ count: UInt64, _ nanoseconds: UInt64) -> [UInt8] {
    [count, nanoseconds].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> ($0 * 8)) } }
}

@Suite struct `What a thread does is judged by its calls` {
    @Test func `a connect that is refused again and again`() throws {
        var script = Script()
        for round in 0..<6 {
            script.call("socket", 3)
            script.call("connect", -111, [UInt64(3 + round % 2), 0, 16, 0, 0, 0], payload: loopback(1), taking: 90_000)
            script.call("close", 0)
            script.call("clock_nanosleep", 0, payload: seconds(0, 500_000_000), taking: 500_100_000)
        }
        let thread = script.thread(processor: 0.001)
        #expect(thread.doing == .failing)
        #expect(
            thread.sentences().what
                == "goes round and round and gets nowhere: connect 127.0.0.1:1 = ECONNREFUSED, then clock_nanosleep 0.5s; 6 times"
        )
        #expect(thread.doing.isFinding)
    }

    @Test func `a log line and a read of a file make no progress of it`() {
        var script = Script()
        for _ in 0..<6 {
            script.call("openat", 4, payload: path("/etc/hosts"))
            script.call("read", 200, [4, 0, 0, 0, 0, 0])
            script.call("close", 0)
            script.call("connect", -111, [3, 0, 16, 0, 0, 0], payload: loopback(5432))
            script.call("write", 40, [2, 0, 0, 0, 0, 0])
            script.call("nanosleep", 0, payload: seconds(1, 0), taking: 1_000_000_000)
        }
        #expect(script.thread(processor: 0.01).doing == .failing)
    }

    @Test func `what reads and writes gets on, though it looks for files in vain`() {
        var script = Script()
        for _ in 0..<20 {
            script.call("epoll_wait", 1)
            script.call("recvfrom", 300, [7, 0, 0, 0, 0, 0])
            script.call("newfstatat", -2, payload: path("/srv/.htaccess"))
            script.call("sendto", 5000, [7, 0, 0, 0, 0, 0])
            script.call("recvfrom", -11, [7, 0, 0, 0, 0, 0])
        }
        let thread = script.thread(processor: 0.9)
        #expect(thread.doing == .goingOn)
        #expect(thread.sentences().what == "gets on: 6000 B read, 100 KB written in 100 calls")
    }

    @Test func `a server that answers gets on, though what is behind it is down`() {
        var script = Script()
        for _ in 0..<20 {
            script.call("epoll_wait", 1)
            script.call("recvfrom", 300, [7, 0, 0, 0, 0, 0])
            script.call("connect", -111, [8, 0, 16, 0, 0, 0], payload: loopback(81))
            script.call("sendto", 150, [7, 0, 0, 0, 0, 0])
        }
        #expect(script.thread(processor: 0.2).doing == .goingOn)
    }

    @Test func `an empty socket asked again and again`() {
        var script = Script()
        for _ in 0..<500 { script.call("recvfrom", -11, [3, 0, 0, 0, 0, 0]) }
        let thread = script.thread(processor: 0.99)
        #expect(thread.doing == .spinning)
        #expect(thread.loop?.text == "recvfrom fd 3 = EAGAIN")
    }

    @Test func `a poll that does not wait`() {
        var script = Script()
        let one: [UInt8] = [5, 0, 0, 0, 1, 0, 0, 0]
        for _ in 0..<500 { script.call("poll", 0, [0x7f00, 1, 0, 0, 0, 0], payload: one) }
        let thread = script.thread(processor: 0.9)
        #expect(thread.doing == .spinning)
        #expect(thread.loop?.text == "poll fd 5 without waiting = 0")
    }

    @Test func `its own clock wakes it`() {
        var script = Script()
        for _ in 0..<30 { script.call("epoll_wait", 0, [4, 0, 8, 100, 0, 0], taking: 100_000_000) }
        let thread = script.thread(processor: 0.002)
        #expect(thread.doing == .ticking)
        #expect(!thread.doing.isFinding)
    }

    @Test func `a processor, and no calls`() {
        let thread = Script().thread(processor: 0.98)
        #expect(thread.doing == .onProcessor)
        #expect(thread.sentences().what == "is on a processor 98 % of the time and makes no calls")
    }

    @Test func `one call all the time`() {
        #expect(Script().thread(processor: 0, isInOneCall: true).doing == .resting)
        var script = Script()
        script.call("epoll_wait", 1)
        script.call("recvfrom", 10)
        #expect(script.thread(processor: 0, isInOneCall: true).doing == .resting)
    }

    @Test func `a shell whose child fails each time`() {
        var script = Script()
        var ends: [Int: ChildEnd] = [:]
        for round in 0..<5 {
            for (offset, name, status) in [(0, "curl", 7 << 8), (1, "sleep", 0)] {
                let pid = 1000 + round * 2 + offset
                var life = ActivityLog.Life(pid: pid, kernelPID: pid, name: Array(name.utf8))
                life.status = status
                ends[pid] = ChildEnd(life, status: status)
                script.call("rt_sigprocmask", 0)
                script.call("vfork", Int64(pid))
                script.call("wait4", Int64(pid), taking: offset == 0 ? 10_000_000 : 200_000_000)
                script.call("wait4", -10)
            }
        }
        let thread = script.thread(processor: 0.01, ends: ends)
        #expect(thread.doing == .failing)
        #expect(thread.loop?.text == "curl exits with 7, then sleep exits with 0")
        #expect(thread.loop?.count == 5)
    }

    @Test func `a connect whose failure is asked for later`() {
        var script = Script()
        for _ in 0..<6 {
            script.call("connect", -115, [5, 0, 16, 0, 0, 0], payload: loopback(81))
            script.call("poll", 1, [0x7f00, 1, 1000, 0, 0, 0], payload: [5, 0, 0, 0, 4, 0, 0, 0])
            script.call("getsockopt", -111, [5, 1, 4, 0, 0, 0])
            script.call("close", 0, [5, 0, 0, 0, 0, 0])
        }
        let thread = script.thread(processor: 0.1)
        #expect(thread.doing == .failing)
        #expect(thread.loop?.text.contains("connect 127.0.0.1:81 = ECONNREFUSED (by SO_ERROR)") ?? false)
    }

    @Test func `calls of a 32-bit program have its numbers`() {
        var script = Script()
        for _ in 0..<6 {
            script.call("open", -2, payload: path("/etc/x"), abi: .i386)
            script.call("nanosleep", 0, payload: [0, 0, 0, 0, 0, 0xca, 0x9a, 0x3b], taking: 1000, abi: .i386)
        }
        let thread = script.thread(processor: 0.01)
        #expect(thread.loop?.steps.contains { $0.text == "open /etc/x = ENOENT" } ?? false)
        #expect(CallTable(script.sums).lines().contains { $0.hasSuffix("open (i386)  ENOENT") })
    }

    @Test func `different paths are named, many are counted`() {
        var script = Script()
        for round in 0..<12 {
            script.call("openat", -2, payload: path("/a\(round % 2)"))
            script.call("newfstatat", -2, payload: path("/b\(round)"))
        }
        let text = script.thread(processor: 0.01).loop?.text ?? ""
        #expect(text.contains("/a0, /a1 = ENOENT") && text.contains("/b0 and 11 others = ENOENT"), "\(text)")
    }

    @Test func `how many rounds there were is worked out from the sums where not all calls were seen`() {
        var script = Script()
        for _ in 0..<50 {
            script.call("recvfrom", -11, [3, 0, 0, 0, 0, 0])
            script.call("sched_yield", 0)
        }
        let sums = script.sums.map { sum -> CallSum in
            var sum = sum
            sum.count *= 1000
            sum.zeros *= 1000
            return sum
        }
        let loop = LoopFinder(ends: [:]).loop(of: script.calls, sums: sums)
        #expect(loop?.count == 50_000)
        #expect(loop?.isEstimate == true)
    }
}

@Suite struct `Calls are told with what they are on` {
    @Test func `addresses`() {
        #expect(CallArguments.address(loopback(5432)) == "127.0.0.1:5432")
        let six: [UInt8] = [10, 0, 0, 80, 0, 0, 0, 0] + [UInt8](repeating: 0, count: 15) + [1] + [0, 0, 0, 0]
        #expect(CallArguments.address(six) == "[::1]:80")
        #expect(CallArguments.address([1, 0] + path("/run/x")) == "unix /run/x")
        #expect(CallArguments.address([1, 0, 0] + Array("bus".utf8)) == "unix @bus")
        #expect(CallArguments.address([1, 0] + path("/a\u{1b}[2J")) == "unix /a\\x1b[2J")
        for length in 0..<24 { _ = CallArguments.address(Array(six.prefix(length))) }
        #expect(CallArguments.address([2, 0, 1]) == nil)
    }

    @Test func `times`() {
        #expect(CallArguments.time(seconds(1, 500_000_000), isShort: false) == 1_500_000_000)
        #expect(CallArguments.time(seconds(.max, .max), isShort: false) == nil)
        #expect(CallArguments.time([1, 0, 0, 0, 0, 0, 0, 0], isShort: true) == 1_000_000_000)
        #expect(CallArguments.time([1, 2], isShort: true) == nil)
        #expect(CallArguments.span(500_000_000) == "0.5s")
        #expect(CallArguments.span(20_000_000) == "20ms")
    }

    @Test func `which argument says it`() throws {
        let bytes = CallArguments.kernelBytes(.x86_64)
        let table = SyscallTable.table(for: .x86_64)
        func byte(_ name: String) throws -> UInt8 { bytes[try #require(table.number(named: name))] }
        #expect(try byte("openat") == UInt8(BW_ARGUMENT_PATH.rawValue) << 4 | 1)
        #expect(try byte("open") == UInt8(BW_ARGUMENT_PATH.rawValue) << 4)
        #expect(try byte("read") == UInt8(BW_ARGUMENT_FD.rawValue) << 4)
        #expect(try byte("connect") == UInt8(BW_ARGUMENT_ADDRESS.rawValue) << 4 | 1)
        #expect(try byte("clock_nanosleep") == UInt8(BW_ARGUMENT_TIME.rawValue) << 4 | 2)
        #expect(try byte("poll") == UInt8(BW_ARGUMENT_POLL.rawValue) << 4)
        #expect(try byte("getsockopt") == UInt8(BW_ARGUMENT_SOCKET_ERROR.rawValue) << 4)
        #expect(try byte("getpid") == 0)
    }

    @Test func `the ends of processes`() {
        #expect(ExitStatus.text(3 << 8) == "exit status 3")
        #expect(ExitStatus.text(11 | 0x80) == "killed by SIGSEGV, core dumped")
        #expect(ExitStatus.text(0) == "exit status 0")
        #expect(ExitStatus.clause(9) == "is killed by SIGKILL")
    }

    @Test func `places in code`() {
        let maps = """
            55d0c000-55d0d000 r--p 00000000 08:01 7 /usr/bin/spin
            55d0d000-55d0e000 r-xp 00001000 08:01 7 /usr/bin/spin
            7f000000-7f001000 r-xp 00000000 00:00 0
            7fff0000-7fff1000 r-xp 00000000 00:00 0   [vdso]
            broken
            99-11 r-xp 0 0 0 /x
            """
        let map = CodeMap(maps: Array(maps.utf8))
        #expect(map.place(0x55d0d149) == "spin+0x1149")
        #expect(map.place(0x55d0c149) == nil)
        #expect(map.place(0x7f000010) == "code without a file at 0x7f000010")
        #expect(map.place(0x7fff0010) == "[vdso]+0x10")
        #expect(map.place(0) == nil && map.place(.max) == nil)
    }
}

@Suite struct `Records of a watched process are decoded` {
    private func bytes<T>(_ raw: T) -> [UInt8] { withUnsafeBytes(of: raw) { Array($0) } }

    @Test func `calls, lives and samples`() throws {
        var call = bw_watched_call()
        call.type = BW_RECORD_WATCHED_CALL.rawValue
        call.payload_len = 3
        call.payload.0 = 65
        call.number = 42
        call.abi = BW_ABI_COMPAT.rawValue
        call.result = -111
        call.tgid = 5
        call.pid = 6
        guard case .call(let told) = try ActivityRecord(bytes(call).span, native: .x86_64) else {
            Issue.record("no call")
            return
        }
        #expect(
            told.payload == [65, 0, 0] && told.abi == .i386 && told.result == -111 && told.pid == 5 && told.tid == 6)
        var life = bw_life()
        life.type = BW_RECORD_LIFE.rawValue
        life.event = BW_LIFE_EXITED.rawValue
        life.status = 256
        guard case .life(let event) = try ActivityRecord(bytes(life).span, native: .x86_64) else {
            Issue.record("no life")
            return
        }
        #expect(event.kind == .exited && event.status == 256)
        var sample = bw_sample()
        sample.type = BW_RECORD_SAMPLE.rawValue
        sample.depth = 99
        sample.number = -1
        guard case .sample(let seen) = try ActivityRecord(bytes(sample).span, native: .x86_64) else {
            Issue.record("no sample")
            return
        }
        #expect(seen.number == nil && seen.stack.count == 16)
    }

    @Test func `whatever the bytes are`() {
        for type in [32, 33, 34, 35, 0] {
            for length in stride(from: 0, to: 300, by: 7) {
                var bytes = [UInt8](repeating: 0xff, count: length)
                if length > 3 { bytes.replaceSubrange(0..<4, with: [UInt8(type), 0, 0, 0]) }
                _ = try? ActivityRecord(bytes.span, native: .x86_64)
            }
        }
        #expect(CallSum.rows([1, 2, 3], native: .x86_64).isEmpty)
        #expect(CallSum.rows([UInt8](repeating: 1, count: 64 * 2 + 5), native: .x86_64).count == 2)
    }
}

@Suite struct `The report on watched processes` {
    private func life(_ event: UInt32, _ pid: UInt32, at now: UInt64, status: Int32 = 0) throws -> ActivityRecord {
        var raw = bw_life()
        raw.type = BW_RECORD_LIFE.rawValue
        raw.event = event
        raw.tgid = pid
        raw.now_ns = now
        raw.status = status
        raw.flags = UInt32(BW_WATCHED_NAMED | BW_WATCHED_BORN)
        raw.parent = 9
        withUnsafeMutableBytes(of: &raw.comm) { $0.copyBytes(from: Array("worker".utf8)) }
        withUnsafeMutableBytes(of: &raw.parent_comm) { $0.copyBytes(from: Array("super".utf8)) }
        return try withUnsafeBytes(of: raw) { try ActivityRecord(Array($0).span, native: .x86_64) }
    }

    @Test func `one that comes and goes`() throws {
        var log = ActivityLog()
        for round in 0..<5 {
            let start = UInt64(round) * 100_000_000
            log.note(try life(BW_LIFE_BORN.rawValue, UInt32(50 + round), at: start))
            log.note(try life(BW_LIFE_EXITED.rawValue, UInt32(50 + round), at: start + 20_000_000, status: 3 << 8))
        }
        #expect(log.isEverybodyGone)
        let report = ActivityReport(
            word: "worker", isByName: true, watchedNanoseconds: 1_000_000_000, processes: [], log: log, sums: [])
        let lines = report.lines(width: 80)
        #expect(report.foundSomething)
        #expect(lines[0] == "worker comes and goes: 5 started and 5 ended within 1.0s.")
        #expect(lines.contains("  How they ended: exit status 3 each time."))
        #expect(lines.contains { $0.contains("Started by super[9]") })
        let object = try #require(try JSONSerialization.jsonObject(with: Data(report.json())) as? [String: Any])
        #expect(object["found"] as? Bool == true)
        let comings = try #require(object["comings"] as? [String: Any])
        #expect(comings["started"] as? Int == 5 && comings["ended"] as? Int == 5)
        #expect(comings["mean_life"] as? Int == 20_000_000)
        #expect((comings["ends"] as? [[String: Any]])?.first?["how"] as? String == "exit status 3")
        #expect((comings["started_by"] as? [String: Any])?["name"] as? String == "super")
    }

    @Test func `no line is wider than the terminal, and no name writes to it`() throws {
        var script = Script()
        for _ in 0..<6 {
            script.call("openat", -2, payload: path("/\u{1b}[2J" + String(repeating: "x", count: 110)))
            script.call("nanosleep", 0, payload: seconds(0, 500_000_000), taking: 500_000_000)
        }
        var life = ActivityLog.Life(pid: 100, kernelPID: 100, name: Array("a\u{1b}b".utf8))
        life.status = 0
        var log = ActivityLog()
        log.watch(life)
        var report = ActivityReport(
            word: "100", isByName: false, watchedNanoseconds: 3_000_000_000,
            processes: [.init(life: life, explanation: nil, threads: [script.thread(processor: 0.01)])], log: log,
            sums: script.sums)
        report.losses.calls = 7
        report.losses.sampling = "the kernel gives no timer"
        let lines = report.lines(width: 80)
        for line in lines {
            #expect(TerminalText.width(line) <= 80, "\(line)")
            #expect(!line.utf8.contains(0x1b))
        }
        #expect(lines.contains { $0.hasPrefix("7 calls are counted, but were not seen one by one") })
        let bytes = report.json()
        #expect(!bytes.contains(0x1b) && bytes.count { $0 == 10 } == 1, "one line")
        let object = try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any])
        #expect((object["losses"] as? [String: Any])?["calls"] as? Int == 7)
        let processes = try #require(object["processes"] as? [[String: Any]])
        let threads = try #require(processes.first?["threads"] as? [[String: Any]])
        #expect(threads.first?["doing"] as? String == "failing")
        let rounds = try #require(threads.first?["rounds"] as? [String: Any])
        let steps = try #require(rounds["steps"] as? [[String: Any]])
        #expect(steps.map { $0["call"] as? String } == ["openat", "nanosleep"])
        #expect(steps.map { $0["error"] as? Bool } == [true, false])
    }
}
