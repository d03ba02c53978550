import BlockWatchBPF
import Foundation
import Testing

@testable import BlockWatchCore

/// Where in their programs the threads along a chain wait: cat[7] reads from a pipe of cat[8], which wants a lock of
/// cat[9], which sleeps.
@Suite struct `Functions along a chain`: TinyHost {
    let tree = ProcTree()
    init() throws { try tree.common() }

    private struct Host {
        var source = ListedHolders()
        var records: [Int: CallRecord] = [:]
        /// By thread.
        var functions: [Int: [String]] = [
            7: ["__GI___libc_read", "Reader::next"], 8: ["flock", "Store::open"], 9: ["clock_nanosleep", "nap"],
        ]

        func answers() -> ListedAnswers {
            var risky = ListedAnswers()
            for (tid, record) in records {
                guard let names = functions[tid] else { continue }
                for hasLines in [false, true] {
                    risky.answers[.userStack(StackQuestion(record, hasLines: hasLines))] =
                        .bytes(StackBytes.thread(names))
                }
            }
            return risky
        }
    }

    private var waiting: [UInt8] { bytes(7) { pipe(&$0, 1, writers: 1) } }

    private func host(isAsleep: Bool = true) throws -> Host {
        var host = Host()
        let middle = try thread(8) { self.flock(&$0, 10, file: 0x80) }
        let root = try thread(9) { isAsleep ? self.sleeping(&$0) : self.running(&$0) }
        host.records = [7: try Bytes.callRecord(waiting), 8: middle, 9: root]
        host.source.open = [
            Self.pipeOne: [open(8, write: true)],
            Self.lockA: [open(9, read: true, write: true, file: 0x90), open(8, read: true, write: true, file: 0x80)],
        ]
        host.source.locked = [
            Self.lockA: [lock(owner: 0x90, address: 1), lock(owner: 0x80, address: 2, blocker: 1, waiter: 8)]
        ]
        host.source.views = [
            .process(7): [try Bytes.callRecord(waiting)], .process(8): [middle], .process(9): [root],
            .thread(8): [middle],
        ]
        return host
    }

    private func pipeline(_ stacks: StackPolicy) -> Pipeline {
        var settings = Pipeline.Settings(
            thresholdNanoseconds: 5_000_000_000, newOnly: false, repeatNanoseconds: 10_000_000_000, maxRate: 1000,
            filter: Filter(), ignoreRules: [])
        settings.stacks = stacks
        return Pipeline(settings, identifier: tree.identifier(.none), now: 12_000_000_000)
    }

    private func at(_ seconds: UInt64) -> ClockReading {
        ClockReading(
            monotonic: seconds * 1_000_000_000, wall: 1_700_000_000_000_000_000 + seconds * 1_000_000_000,
            boot: seconds * 1_000_000_000)
    }

    private func feed(
        _ pipeline: inout Pipeline, _ host: inout Host, _ risky: inout ListedAnswers, _ bytes: [UInt8],
        at seconds: UInt64
    ) throws -> CallReport {
        pipeline.ingest([try Bytes.record(bytes)], clock: at(seconds), risky: &risky)
        pipeline.relate(source: &host.source, risky: &risky, relooks: false, clock: at(seconds))
        guard case .call(let report)? = pipeline.takeRecords().last?.body else { throw Bytes.Unexpected() }
        return report
    }

    private func walked(_ risky: ListedAnswers) -> [UInt32] {
        risky.asked.compactMap { if case .userStack(let question) = $0 { question.kernelTID } else { nil } }.sorted()
    }

    @Test func `each step says the program's own function, and the line has it`() throws {
        var (pipeline, host) = (pipeline(.stuck), try host())
        var risky = host.answers()
        let report = try feed(&pipeline, &host, &risky, waiting, at: 15)
        let finding = try #require(report.finding)
        let whole = "cat[7] read pipe in Reader::next <- cat[8] flock in Store::open <- cat[9] sleeping in nap"
        #expect(finding.chain(within: 512) == whole)
        #expect(finding.chain == "cat[7] read pipe <- cat[8] flock <- cat[9] sleeping")
        #expect(finding.rootPlace == " in nap")
        #expect(walked(risky) == [7, 8, 9])
        var format = NDJSON(RecordOrigin(hostName: "h", bootID: "b"))
        let line = String(
            decoding: format.line(
                Record(action: .blocked, sequence: 1, wallNanoseconds: 0, body: .call(report))), as: UTF8.self)
        #expect(line.contains("\"chain\":\"\(whole)\""), "\(line)")
    }

    @Test func `nobody is asked where stacks are not wanted, and who runs has none`() throws {
        var (none, host) = (pipeline(.none), try host())
        var risky = host.answers()
        let report = try feed(&none, &host, &risky, waiting, at: 15)
        #expect(walked(risky).isEmpty && report.finding?.links.isEmpty == true)
        var all = pipeline(.all)
        host = try self.host(isAsleep: false)
        risky = host.answers()
        let finding = try feed(&all, &host, &risky, waiting, at: 15).finding
        #expect(walked(risky) == [7, 8])
        #expect(finding?.chain(within: 512).hasSuffix("Store::open <- cat[9] running") == true)
    }

    @Test func `a call that becomes stuck is asked for once, when it does`() throws {
        var (pipeline, host) = (pipeline(.stuck), try host())
        var risky = host.answers()
        let locks = host.source.locked
        host.source.answersInTime = false
        let first = try feed(&pipeline, &host, &risky, waiting, at: 15)
        #expect(first.finding?.verdict == .waiting && first.call.userStack == nil)
        #expect(walked(risky).isEmpty)
        host.source.answersInTime = true
        host.source.locked = locks
        func again(_ seconds: UInt64) throws -> CallReport {
            let fresh = bytes(7) {
                pipe(&$0, 1, writers: 1)
                $0.type = BW_RECORD_REFRESH.rawValue
            }
            return try feed(&pipeline, &host, &risky, fresh, at: seconds)
        }
        let later = try again(25)
        #expect(later.finding?.verdict == .stuck)
        #expect(later.call.userStack?.site == Array("Reader::next".utf8))
        #expect(later.finding?.chain(within: 512).contains("cat[8] flock in Store::open <- ") == true)
        #expect(walked(risky) == [7, 8, 9])
        let last = try again(45)
        #expect(walked(risky) == [7, 8, 9], "what is known is not asked for again")
        #expect(last.call.userStack != nil)
        #expect(last.finding?.chain(within: 512).hasPrefix("cat[7] read pipe in Reader::next <- ") == true)
    }

    @Test func `one that has no answer is not asked for again and again`() throws {
        var (pipeline, host) = (pipeline(.stuck), try host())
        host.functions = [:]
        var risky = host.answers()
        let report = try feed(&pipeline, &host, &risky, waiting, at: 15)
        #expect(report.call.unresolved.contains("code.stack=timed_out"))
        #expect(report.finding?.chain(within: 512) == report.finding?.chain)
        let count = walked(risky).count
        let fresh = bytes(7) {
            pipe(&$0, 1, writers: 1)
            $0.type = BW_RECORD_REFRESH.rawValue
        }
        _ = try feed(&pipeline, &host, &risky, fresh, at: 25)
        #expect(walked(risky).count == count)
    }

    @Test func `explain asks for those along the chain too`() throws {
        var (pipeline, host) = (pipeline(.lines), try host())
        var risky = host.answers()
        let explained = pipeline.explain(pid: 7, source: &host.source, risky: &risky, clock: at(15))
        let lines = try #require(explained).lines()
        #expect(
            lines.contains(
                "  The chain: cat[7] read pipe in Reader::next <- cat[8] flock in Store::open <- cat[9] sleeping in nap"
            ), "\(lines)")
        #expect(lines.contains { $0.contains("At its root:") && $0.hasSuffix("sleeping in nap.") }, "\(lines)")
    }

    @Test func `of one thread that is asked for, or why not`() throws {
        let pipeline = pipeline(.none)
        var host = try host()
        host.source.views[.thread(7)] = host.source.views[.process(7)]
        var risky = host.answers()
        func told(_ tid: Int, _ call: UInt64) -> [String] {
            pipeline.functions(of: tid, in: call, source: &host.source, risky: &risky)
        }
        let lines = told(7, 7)
        #expect(lines.first == "In the program:" && lines.count == 3 && lines[2].contains("Reader::next"), "\(lines)")
        #expect(told(7, 70) == ["In the program: not known, it has gone on meanwhile"], "another call")
        #expect(told(12, 12) == ["In the program: not known, it has gone on meanwhile"], "nobody")
        risky.answers = [:]
        #expect(told(7, 7).first?.hasPrefix("In the program: not known, nobody has answered in time") == true)
    }

    @Test func `functions give way before steps do, and cannot look like one`() {
        var finding = Finding()
        finding.links = (1...6).map { (tid: Int) in ChainLink("worker[\(tid)] flock", tid: tid) }
        finding.chain = finding.links.map(\.text).joined(separator: " <- ")
        let long = Array(String(repeating: "Name", count: 20).utf8)
        finding.take(sites: Dictionary(uniqueKeysWithValues: (1...6).map { ($0, long) }))
        for room in [60, 120, 200, 300, 512] {
            let text = finding.chain(within: room)
            #expect(text.utf8.count <= max(room, finding.chain.utf8.count))
            #expect(text.components(separatedBy: " <- ").count == 6)
        }
        #expect(finding.chain(within: 120) == finding.chain)
        #expect(finding.chain(within: 200).contains(" in Name"))
        finding.links[0].site = Array("a <- b[1]\u{1b}[2J".utf8)
        let text = finding.chain(within: 512)
        #expect(text.components(separatedBy: " <- ").count == 6 && !text.contains("\u{1b}"))
    }
}

/// What a worker that walks stacks answers.
enum StackBytes {
    static func number(_ value: UInt64, _ size: Int) -> [UInt8] { (0..<size).map { UInt8(value >> (8 * $0) & 255) } }

    /// A thread in these functions, innermost first: the first of the C library, the others of the program.
    static func thread(_ functions: [String]) -> [UInt8] {
        var bytes = number(4711, 4) + number(UInt64(functions.count), 4) + number(0, 16)
        for (place, name) in functions.enumerated() {
            let module = place == 0 ? "/usr/lib/libc.so.6" : "/bin/worker"
            bytes += number(0x10, 8) + number(0, 8)
            bytes += number(UInt64(name.utf8.count), 2) + number(UInt64(module.utf8.count), 2) + number(0, 4)
            bytes += Array(name.utf8) + Array(module.utf8)
        }
        return bytes
    }
}
