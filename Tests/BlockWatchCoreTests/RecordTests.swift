import BlockWatchBPF
import Foundation
import Testing

@testable import BlockWatchCore

@Suite struct `Where a record comes from`: TinyHost {
    let tree = ProcTree()
    init() throws { try tree.common() }

    private static let machine = "3d1219c7c4c5404aaa1f6d2a48adfda4"

    @Test(arguments: [
        ("3d1219c7c4c5404aaa1f6d2a48adfda4\n", true), ("3D1219C7C4C5404AAA1F6D2A48ADFDA4", true), ("", false),
        ("uninitialized\n", false), ("3d1219c7-c4c5-404a-aa1f-6d2a48adfda4\n", false),
        ("00000000000000000000000000000000\n", false), ("3d1219c7c4c5404aaa1f6d2a48adfdag\n", false),
        ("3d1219c7c4c5404aaa1f6d2a48adfda4f\n", false),
    ])
    func `a machine's id is 32 hexadecimal digits, or there is none`(file: String, isOne: Bool) {
        let id = MachineID.text(Array(file.utf8))
        #expect(id == (isOne ? file.trimmingCharacters(in: .newlines) : nil))
    }

    @Test func `a start's id is 16 hexadecimal digits`() {
        #expect(RecordOrigin.runID(0) == "0000000000000000")
        #expect(RecordOrigin.runID(.max) == "ffffffffffffffff")
        #expect(RecordOrigin.runID(0xabc) == "0000000000000abc")
    }

    /// One record of each sort.
    private func records() throws -> [Record] {
        var pipeline = pipeline(verdicts: Set(Verdict.allCases), busyAfter: 0)
        var source = try held(running)
        var risky = ListedAnswers()
        pipeline.started(
            Started(
                version: "9", options: [], kernel: "6", machine: "x", engine: "trace", scope: "host", capabilities: [],
                thresholdNanoseconds: 1), clock: clock)
        pipeline.ingest([.call(try waiter(at: 15))], clock: clock, risky: &risky)
        pipeline.relate(source: &source, risky: &risky, relooks: false, clock: clock)
        let usage = OwnUsage(cpuNanoseconds: 1, residentBytes: 1)
        pipeline.summarize(
            usage: usage, threads: 2, schedule: ScanSchedule(threshold: 1, tick: 1, now: 0), clock: clock)
        pipeline.lost(Loss(what: "lines", count: 1, reason: "x"), clock: clock)
        pipeline.stopped(reason: "SIGTERM", usage: usage, clock: clock)
        return pipeline.takeRecords()
    }

    private func objects(_ origin: RecordOrigin) throws -> [[String: Any]] {
        var format = NDJSON(origin)
        return try records().map { record in
            let line = format.line(record)
            return try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
        }
    }

    @Test func `every record names the host, the machine and the start of blockwatch`() throws {
        let told = try objects(
            RecordOrigin(hostName: "h", hostID: Self.machine, bootID: "b", runID: "00000000000000ff"))
        #expect(told.count == 5)
        for object in told {
            let host = try #require(object["host"] as? [String: Any])
            #expect(host["name"] as? String == "h" && host["id"] as? String == Self.machine)
            let own = try #require(object["blockwatch"] as? [String: Any])
            #expect((own["run"] as? [String: Any])?["id"] as? String == "00000000000000ff")
        }
        let summary = try #require(told.first { ($0["event"] as? [String: Any])?["action"] as? String == "summary" })
        let own = try #require(summary["blockwatch"] as? [String: Any])
        #expect((own["busy_by_reason"] as? [String: Any])?["lock_busy"] as? Int == 1)
        #expect((own["idle_by_reason"] as? [String: Any])?.isEmpty == true)
    }

    @Test func `a machine without an id has none`() throws {
        for object in try objects(RecordOrigin(hostName: "h", bootID: "b", runID: "00000000000000ff")) {
            #expect((object["host"] as? [String: Any])?["id"] == nil)
        }
    }

    @Test func `bytes sent and not acknowledged are those of a connection, not what was never sent`() throws {
        func network(_ state: UInt8, protocol number: UInt16 = 6) throws -> NetworkFields {
            let record = try thread(7) {
                $0.object.kind = BW_OBJECT_SOCKET.rawValue
                $0.object.mode = 0o140777
                $0.object.family = 2
                $0.object.socket_type = number == 6 ? 1 : 2
                $0.object.protocol = number
                $0.object.tcp_state = state
                $0.object.u.inet.peer_port = state == 10 ? 0 : 80
                $0.object.u.inet.unacked = 5000
                $0.object.u.inet.send_queue = 5000
                $0.object.u.inet.in_flight = 1448
            }
            var identifier = tree.identifier(.none)
            var risky = ListedAnswers()
            let call = identifier.identify([record], clock: clock, isBrief: true, risky: &risky)[0]
            return try #require(call.resource.network)
        }
        let established = try network(1)
        #expect(established.sendQueue == 5000 && established.unacknowledged == 1448)
        #expect(try network(10).unacknowledged == nil, "a listener sends nothing")
        #expect(try network(1, protocol: 17).unacknowledged == nil)
    }

    // MARK: - what is at work is said once

    private func pipeline(verdicts: Set<Verdict>, busyAfter: UInt64) -> Pipeline {
        Pipeline(
            Pipeline.Settings(
                thresholdNanoseconds: 5_000_000_000, newOnly: false, repeatNanoseconds: 10_000_000_000, maxRate: 1000,
                filter: Filter(), ignoreRules: [], verdicts: verdicts, busyAfterNanoseconds: busyAfter),
            identifier: tree.identifier(.none), now: 12_000_000_000)
    }

    /// Blocked in flock since 10 s.
    private func waiter(at seconds: UInt64, _ type: bw_record_type = BW_RECORD_CALL) throws -> CallRecord {
        try thread(7) {
            self.flock(&$0, 10, file: 0x70)
            $0.now_ns = seconds * 1_000_000_000
            $0.type = type.rawValue
        }
    }

    private func held(_ change: @escaping (inout bw_call) -> Void) throws -> ListedHolders {
        var source = ListedHolders()
        source.open = [Self.lockA: [open(9, read: true, write: true, file: 0x90)]]
        source.locked = [Self.lockA: [lock(owner: 0x90, address: 1)]]
        source.views = [.process(9): [try thread(9, change)]]
        return source
    }

    private func at(_ seconds: UInt64) -> ClockReading {
        ClockReading(
            monotonic: seconds * 1_000_000_000, wall: 1_700_000_000_000_000_000 + seconds * 1_000_000_000,
            boot: seconds * 1_000_000_000)
    }

    /// What is said at that moment, the lock's holder being as `change` has it.
    private func said(
        _ pipeline: inout Pipeline, _ seconds: UInt64, _ change: @escaping (inout bw_call) -> Void,
        asked: bw_record_type? = nil
    ) throws -> [String] {
        var risky = ListedAnswers()
        var source = try held(change)
        if let asked { pipeline.ingest([.call(try waiter(at: seconds, asked))], clock: at(seconds), risky: &risky) }
        source.views[.thread(7)] = [try waiter(at: seconds)]
        pipeline.relate(source: &source, risky: &risky, relooks: asked == nil, clock: at(seconds))
        return pipeline.takeRecords().map { record in
            guard case .call(let report) = record.body else { return record.action.rawValue }
            return "\(record.action.rawValue) \(report.finding?.reason.rawValue ?? "")"
        }
    }

    @Test func `a long busy call is said once, a change of verdict at once, and whoever asks is told again`() throws {
        var pipeline = pipeline(verdicts: [.deadlock, .stuck, .waiting, .busy], busyAfter: 60_000_000_000)
        #expect(try said(&pipeline, 15, running, asked: BW_RECORD_CALL) == [])
        #expect(try said(&pipeline, 40, running) == [], "not yet a minute")
        #expect(try said(&pipeline, 75, running) == ["blocked lock_busy"])
        #expect(try said(&pipeline, 80, running) == [])
        #expect(pipeline.dueRepeats(at: 4_000_000_000_000) == [], "nor by --repeat")
        #expect(try said(&pipeline, 90, sleeping) == ["still_blocked lock_held"])
        #expect(pipeline.dueRepeats(at: 200_000_000_000) == [7], "what is stuck is repeated")
        #expect(try said(&pipeline, 210, running) == ["still_blocked lock_busy"])
        #expect(pipeline.dueRepeats(at: 4_000_000_000_000) == [])
        #expect(try said(&pipeline, 220, running, asked: BW_RECORD_REFRESH) == ["still_blocked lock_busy"], "SIGUSR1")
        #expect(pipeline.totals.hidden["busy_after"] == 1)
    }

    /// A holder that waits for its next client.
    private func listening(_ raw: inout bw_call) {
        raw.number = 288
        raw.object.kind = BW_OBJECT_SOCKET.rawValue
        raw.object.mode = 0o140777
        raw.object.family = 2
        raw.object.socket_type = 1
        raw.object.protocol = 6
        raw.object.tcp_state = 10
    }

    @Test func `that whoever is at work rests between is no news, but to whoever asks for idle calls`() throws {
        var usual = pipeline(verdicts: [.deadlock, .stuck, .waiting, .busy], busyAfter: 60_000_000_000)
        #expect(try said(&usual, 15, running, asked: BW_RECORD_CALL) == [])
        #expect(try said(&usual, 75, running) == ["blocked lock_busy"])
        #expect(try said(&usual, 80, listening) == [])
        #expect(try said(&usual, 85, running) == [])
        #expect(try said(&usual, 90, sleeping) == ["still_blocked lock_held"])
        #expect(try said(&usual, 95, listening) == ["still_blocked listening"], "an accusation is taken back")

        var all = pipeline(verdicts: Set(Verdict.allCases), busyAfter: 0)
        #expect(try said(&all, 15, running, asked: BW_RECORD_CALL) == ["blocked lock_busy"])
        #expect(try said(&all, 80, listening) == ["still_blocked listening"])
        #expect(try said(&all, 85, running) == ["still_blocked lock_busy"])
    }

    @Test func `what was over before anybody could look accuses nobody: it is counted, and told to who asks for all`()
        throws
    {
        /// A read of a pipe that returned at 16 s, whose writer has gone with it, or is there and stuck.
        func said(_ verdicts: Set<Verdict>, isThere: Bool) throws -> ([String], [String: UInt64]) {
            var pipeline = pipeline(verdicts: verdicts, busyAfter: 60_000_000_000)
            let reader = try thread(7) { self.pipe(&$0, 1, writers: 1) }
            var risky = ListedAnswers()
            var source = ListedHolders()
            if isThere {
                source.open = [Self.pipeOne: [open(8, write: true)]]
                source.views = [.process(8): [try thread(8) { $0.flags |= UInt32(BW_CALL_STOPPED) }]]
            }
            let end = ClosedRecord(call: 7, reason: .returned, nowNanoseconds: 16_000_000_000, result: 1)
            pipeline.ingest([.call(reader), .closed(end)], clock: at(16), risky: &risky)
            pipeline.relate(source: &source, risky: &risky, relooks: false, clock: at(16))
            #expect(pipeline.openCount == 0)
            let told = pipeline.takeRecords().map { record in
                guard case .call(let report) = record.body else { return record.action.rawValue }
                return "\(record.action.rawValue) \(report.finding?.reason.rawValue ?? "")"
            }
            return (told, pipeline.totals.hidden)
        }
        let usual: Set<Verdict> = [.deadlock, .stuck, .waiting, .busy]
        #expect(try said(usual, isThere: false) == ([], ["over": 1]))
        #expect(try said(Set(Verdict.allCases), isThere: false) == (["slow unknown"], [:]))
        #expect(try said(usual, isThere: true) == (["slow peer_stuck"], [:]), "what is known is told")
    }

    // MARK: - sets

    /// In poll of these TCP sockets by their states, with 1,000 ms unless said otherwise.
    private func poll(_ states: [UInt8], _ milliseconds: UInt64) throws -> (CallRecord, ListedHolders, ListedAnswers) {
        let seed = try thread(7) {
            $0.number = 7
            $0.class_ = 2
            $0.args = (0x1000, UInt64(states.count), milliseconds, 0, 0, 0)
            $0.fd = -1
        }
        var bytes: [UInt8] = []
        var source = ListedHolders()
        for (place, state) in states.enumerated() {
            bytes += [UInt8(10 + place), 0, 0, 0, 1, 0, 0, 0]
            var object = bw_object()
            object.kind = BW_OBJECT_SOCKET.rawValue
            object.mode = 0o140777
            object.inode = UInt64(77 + place)
            object.family = 2
            object.socket_type = 1
            object.protocol = 6
            object.tcp_state = state
            Bytes.set(&object.u.inet.local, [10, 0, 0, 1])
            Bytes.set(&object.u.inet.peer, [10, 0, 0, UInt8(5 + place)])
            object.u.inet.local_port = 40_000
            object.u.inet.peer_port = 5432
            object.u.inet.peer_window = 65_535
            object.u.inet.last_sent = .max
            object.u.inet.last_received = .max
            source.objects[.descriptor(pid: 7, 10 + place)] = object
        }
        var memory = ListedAnswers()
        memory.answers[.memory(pid: 7, address: 0x1000, length: bytes.count)] = .bytes(bytes)
        return (seed, source, memory)
    }

    @Test func `the resource of a set is its deciding member, else its only one, whatever rule decides`() throws {
        let (two, source, memory) = try poll([1, 2], UInt64(bitPattern: -1))
        var findings = findings([two], source, memory: memory)
        #expect(findings.finding(of: 7)?.reason == .connectUnanswered)
        let resource = try #require(findings.resource(of: 7))
        #expect(resource.kind == .poll && resource.member == SetMemberFields(kind: .tcp, descriptor: 11, count: 2))
        #expect(resource.network?.peer.address == "10.0.0.6" && resource.network?.peer.port == 5432)
        #expect(resource.network?.communityID != nil)
        #expect(String(decoding: resource.name, as: UTF8.self) == "tcp 10.0.0.1:40000->10.0.0.6:5432 SYN_SENT")

        // past its own time-out: that it is overdue is no member's fault, but there is only one
        let (one, others, its) = try poll([1], 1000)
        findings = self.findings([one], others, memory: its)
        #expect(findings.finding(of: 7)?.reason == .overdue)
        let only = try #require(findings.resource(of: 7))
        #expect(only.member?.descriptor == 10 && only.network?.peer.address == "10.0.0.5")
    }

    // MARK: - roots

    @Test func `whatever is not idle has a root, or says why it is not known`() throws {
        let waits: [(inout bw_call) -> Void] = [
            { self.flock(&$0, 10, file: 0x70) },
            { self.pipe(&$0, 1, writers: 1) },
            { self.pipe(&$0, 1, writers: 0) },
            running,
            {
                $0.state = 2
                $0.class_ = 9
                $0.number = 74
            },
            {
                $0.number = 7
                $0.class_ = 2
                $0.args = (0x1000, 2, .max, 0, 0, 0)
                $0.fd = -1
            },
            {
                $0.number = 202
                $0.class_ = 4
                $0.args = (0x1000, 128, 2, 0, 0, 0)
                $0.fd = -1
            },
            {
                $0.number = 247
                $0.class_ = 5
                $0.args = (1, 9999, 0, 4, 0, 0)
                $0.fd = -1
            },
            { $0.flags |= UInt32(BW_CALL_STOPPED) },
            { $0.kind = BW_KIND_PAGE.rawValue },
            { $0.kind = BW_KIND_EXITING.rawValue },
        ]
        for (place, wait) in waits.enumerated() {
            for answersInTime in [true, false] {
                var source = ListedHolders()
                source.answersInTime = answersInTime
                let record = try thread(7, wait)
                var findings = findings([record], source)
                let finding = try told(&findings, 7)
                guard finding.verdict != .idle else { continue }
                switch finding.root {
                case .known: break
                case .unknown: #expect(!finding.unresolved.isEmpty, "wait \(place): \(finding)")
                case .absent: Issue.record("wait \(place) has no root: \(finding)")
                }
            }
        }
        #expect(Finding.nothing.root.gap != nil && !Finding.nothing.unresolved.isEmpty)
    }
}
