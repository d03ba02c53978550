import BlockWatchBPF
import Testing

@testable import BlockWatchCore

// MARK: - 11 sets

extension `Hung, or idle by design` {
    @Test func `a set is as bad as its worst member, and idle if none says anything`() throws {
        func poll(_ states: [UInt8], replyTo: Int? = nil) throws -> Reason? {
            let seed = try thread(7) {
                $0.number = 7
                $0.class_ = 2
                $0.args = (0x1000, UInt64(states.count), UInt64(bitPattern: -1), 0, 0, 0)
                $0.fd = -1
            }
            var bytes: [UInt8] = []
            var source = ListedHolders()
            for (place, state) in states.enumerated() {
                bytes += [UInt8(10 + place), 0, 0, 0, 1, 0, 0, 0]
                var object = bw_object()
                Self.socket(&object, state: state, local: UInt16(40_000 + place))
                if replyTo == place { object.u.inet.last_sent = 1_000_000_000 }
                source.objects[.descriptor(pid: 7, 10 + place)] = object
            }
            var memory = ListedAnswers()
            memory.answers[.memory(pid: 7, address: 0x1000, length: bytes.count)] = .bytes(bytes)
            return reason(seed, source, memory)
        }
        #expect(try poll([1, 1, 1]) == .eventLoop)
        #expect(try poll([1, 2, 1]) == .connectUnanswered)
        #expect(try poll([1, 1, 1], replyTo: 2) == .replyPending)
        #expect(try poll([1], replyTo: 0) == .replyPending, "a set of one is a wait for that one")
        #expect(try poll([1, 2, 1], replyTo: 2) == .connectUnanswered, "the worst decides")
    }

    @Test func `of an epoll the kernel's tree tells the members; only those that can tell are asked about`() throws {
        let seed = try thread(7) {
            $0.number = 232
            $0.class_ = 2
            // a time-out: it is in no deadlock
            $0.args = (4, 0x1000, 1, 1_000_000, 0, 0)
            $0.fd = -1
        }
        var source = ListedHolders()
        source.sets[.items(pid: 7, epoll: 4)] = EpollItems(
            question: 0, items: [.init(descriptor: 10, events: 1), .init(descriptor: 11, events: 1)], isCut: false)
        var pipe = bw_object()
        pipe.kind = BW_OBJECT_PIPE.rawValue
        pipe.mode = 0o010600
        pipe.inode = 77
        pipe.u.pipe.writers = 1
        source.objects[.descriptor(pid: 7, 10)] = pipe
        var socket = bw_object()
        Self.socket(&socket, state: 2, local: 40_000)
        source.objects[.descriptor(pid: 7, 11)] = socket
        for (isThorough, isAsked) in [(false, false), (true, true)] {
            var own = source
            var risky = ListedAnswers()
            var identifier = tree.identifier(.none)
            let calls = identifier.identify([seed], clock: clock, isBrief: true, risky: &risky)
            var investigation = Investigation(isThorough: isThorough)
            investigation.run(
                [(seed, calls[0])], source: &own, risky: &risky, identifier: &identifier, clock: clock)
            var findings = Findings(
                investigation, thresholdNanoseconds: 5_000_000_000, bootID: "boot", nativeABI: .x86_64)
            #expect(findings.judgement(of: 7).reason == .connectUnanswered)
            #expect(own.asked.contains(.inode(device: 0, inode: 77)) == isAsked)
            #expect(findings.hasUnaskedMembers(7) != isThorough)
        }
    }
}
