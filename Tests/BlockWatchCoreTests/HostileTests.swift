import BlockWatchBPF
import Foundation
import Testing

@testable import BlockWatchCore

/// What fuzzing and reading for it have found: each of these made blockwatch trap, hang or write a line that broke.
@Suite struct `Hostile numbers, names and locks`: TinyHost {
    let tree = ProcTree()

    private func pipeline(repeating: UInt64? = nil) -> Pipeline {
        Pipeline(
            Pipeline.Settings(
                thresholdNanoseconds: 1_000_000_000, newOnly: false, repeatNanoseconds: repeating, maxRate: 1000,
                filter: Filter(), ignoreRules: []), identifier: tree.identifier(.none), now: 1)
    }

    @Test func `a closing of the end of all days`() throws {
        var pipeline = pipeline()
        var risky = ListedAnswers()
        pipeline.ingest(
            [try Bytes.record(Bytes.close(9, BW_CLOSE_RETURNED, at: .max))], clock: clock, risky: &risky)
        pipeline.endOfScan(at: clock.monotonic)
        pipeline.endOfScan(at: .max)
        #expect(pipeline.takeRecords().isEmpty)
    }

    @Test func `a repeat of 584 years is never`() throws {
        var pipeline = pipeline(repeating: .max)
        var risky = ListedAnswers()
        pipeline.ingest([try Bytes.record(Bytes.call())], clock: clock, risky: &risky)
        #expect(pipeline.nextRepeat == .max)
        #expect(pipeline.dueRepeats(at: clock.monotonic).isEmpty)
        #expect(pipeline.dueRepeats(at: .max).count == 1)
    }

    @Test func `a thread in D whose call began at the end of all days`() throws {
        let record = try thread(7) { raw in
            raw.state = 2
            raw.now_ns = .max
            raw.start_ns = .max - 1
            raw.last_ran_ns = .max
            pipe(&raw, 5, writers: 1)
        }
        var findings = findings([record], ListedHolders())
        #expect(findings.finding(of: 7)?.reason == .inProgress, "it has only just begun")
    }

    @Test func `a habit of 584 years`() throws {
        let record = try thread(7)
        var habits = Habits()
        for _ in 0..<Habits.often { habits.note(Habits.Place(record), .max) }
        #expect(habits.knows(record, .max))
    }

    @Test func `locks that wait for each other while they are read`() throws {
        let waiter = try thread(7) { flock(&$0, 5, file: 0x10) }
        let other = try thread(8) { flock(&$0, 5, file: 0x20) }
        let question = FileQuestion.inode(device: 8, inode: 5, wantsLocks: true)
        var source = ListedHolders()
        source.views[.thread(8)] = [other]
        source.locked[question] = [
            lock(owner: 0x10, address: 1, blocker: 2, waiter: 7), lock(owner: 0x20, address: 2, blocker: 3, waiter: 8),
            lock(owner: 0x30, address: 3, blocker: 2, waiter: 9), lock(owner: 0x40, address: 4),
        ]
        var findings = findings([waiter], source)
        #expect(findings.finding(of: 7)?.holders.contains { $0.pid == 8 } == true)
    }

    @Test func `a thousand locks whose owners nobody has open are said once`() throws {
        let waiter = try thread(7) { flock(&$0, 5, file: 0x10) }
        var source = ListedHolders()
        source.locked[.inode(device: 8, inode: 5, wantsLocks: true)] = (1...1000).map {
            lock(owner: UInt64($0) << 32, address: UInt64($0))
        }
        var findings = findings([waiter], source)
        #expect(findings.finding(of: 7)?.unresolved == ["holders=too_many"])
    }

    @Test func `a container named to write to the operator's terminal`() throws {
        let evil = "lxc.payload.\u{1b}]0;x\u{7}" + String(repeating: "\u{1}", count: 200)
        let record = try Bytes.callRecord(
            Bytes.call(cgroup: [evil, String(repeating: "\u{2}", count: 240) + ".service"]) { pipe(&$0, 5, writers: 0) }
        )
        var pipeline = pipeline()
        var source = ListedHolders()
        source.views[.process(7)] = [record]
        var risky = ListedAnswers()
        let explanation = try #require(pipeline.explain(pid: 7, source: &source, risky: &risky, clock: clock))
        for line in explanation.lines() { #expect(!line.unicodeScalars.contains { $0.value < 0x20 }, "\(line)") }
        pipeline.ingest([.call(record)], clock: clock, risky: &risky)
        pipeline.relate(source: &source, risky: &risky, relooks: false, clock: clock)
        var ndjson = NDJSON(RecordOrigin(hostName: "h", bootID: "b"))
        for record in pipeline.takeRecords() {
            let line = ndjson.line(record)
            #expect(line.count <= NDJSON.lineLimit)
            #expect(String(decoding: line, as: UTF8.self).contains("service.name"), "what was cut is said")
        }
    }

    @Test func `names that take no column, in all places of a deadlock`() {
        // combining characters: 4,000 bytes and not one column
        let evil = String(repeating: "\u{300}", count: 2000)
        let members = (1...8).map { number in
            DeadlockMember(
                pid: number, tid: number, name: [UInt8](repeating: 1, count: 15), call: "semtimedop_time64",
                wants: evil,
                holds: [evil, evil + "1", evil + "2"], duration: .max)
        }
        let report = DeadlockReport(
            id: "0123456789abcdef", threads: 100, members: members, part: 1, parts: 13, chain: evil,
            chainID: "0123456789abcdef", victims: 100)
        var ndjson = NDJSON(RecordOrigin(hostName: String(repeating: "\u{1}", count: 64), bootID: "b"))
        let line = ndjson.line(Record(action: .deadlock, sequence: .max, wallNanoseconds: 0, body: .deadlock(report)))
        #expect(line.count <= NDJSON.lineLimit, "\(line.count)")
        #expect((try? JSONSerialization.jsonObject(with: Data(line))) != nil)
    }
}
