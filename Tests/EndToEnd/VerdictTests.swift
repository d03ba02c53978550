import Foundation
import Testing

/// What is said of a call does not depend on who was there first, the call or blockwatch.
@Suite(.serialized) struct `The verdict is right, of calls younger and older than blockwatch` {
    enum Age: CaseIterable { case younger, older }

    /// Hangs it under the running watcher, or the other way round.
    private func watch(
        _ mode: String, numbers: [Int] = [], _ age: Age, _ body: (Hanging, Watcher) async throws -> Void
    ) async throws {
        let arguments = ["--threshold", "500ms", "--repeat", "500ms"]
        switch age {
        case .younger:
            try await Watcher.run(arguments) { watcher in
                try await Hanging.run(mode, numbers) { try await body($0, watcher) }
            }
        case .older:
            try await Hanging.run(mode, numbers) { hanging in
                try await Watcher.run(arguments) { try await body(hanging, $0) }
            }
        }
    }

    /// The first record of a thread that has this reason; the others of a situation may have come to rest only then.
    private func said(_ reason: String, of tid: Int, by watcher: Watcher) async throws -> Fields {
        func records() -> [Fields] {
            watcher.records.filter { $0.tid == tid && ["blocked", "still_blocked"].contains($0.action) }
        }
        return try await eventually("\(reason) of \(tid); said: \(records().compactMap { $0.text("reason") })") {
            records().first { $0.text("reason") == reason }
        }
    }

    /// What is said once all has come to rest: the second time at least.
    private func settled(_ tid: Int, by watcher: Watcher) async throws -> Fields {
        let first = try await watcher.blocked(tid: tid)
        return try await watcher.record("of \(tid) again") {
            $0.action == "still_blocked" && $0.id == first.id
                && ($0.integer("event.duration") ?? 0) > 1_500_000_000
        }
    }

    private func holders(_ record: Fields, _ key: String = "pid") -> [Int] {
        (record["holders"] as? [[String: Any]] ?? []).compactMap { ($0[key] as? NSNumber)?.intValue }
    }
    private func relations(_ record: Fields) -> [String] {
        (record["holders"] as? [[String: Any]] ?? []).compactMap { $0["relation"] as? String }
    }
    private func members(_ hanging: Hanging) throws -> [Int] {
        let count = try #require(hanging.says.integer("members_count"))
        return try (0..<count).map { try #require(hanging.says.integer("member_\($0)")) }
    }
    private func expectNoDeadlock(of tids: [Int], _ watcher: Watcher) {
        #expect(
            !watcher.records.contains { record in
                record.action == "deadlock" && !record.memberThreads.isDisjoint(with: tids)
                    || record.text("verdict") == "deadlock" && record.tid.map(tids.contains) == true
            })
    }

    /// All of them, and nobody else, are one deadlock, and each is said to be in it.
    private func expectDeadlock(of hanging: Hanging, _ watcher: Watcher) async throws {
        let tids = try members(hanging)
        for tid in tids {
            let record = try await said("cycle", of: tid, by: watcher)
            #expect(record.text("verdict") == "deadlock")
            #expect(record.text("root.kind") == "deadlock")
        }
        let deadlock = try await watcher.record("the deadlock") {
            $0.action == "deadlock" && !$0.memberThreads.isDisjoint(with: tids)
        }
        #expect(deadlock.memberThreads == Set(tids))
    }

    // MARK: - file locks

    @Test(arguments: Age.allCases) func `a flock that the process has by another descriptor is a deadlock of one`(
        age: Age
    ) async throws {
        try await watch("flock-self", age) { hanging, watcher in
            try await expectDeadlock(of: hanging, watcher)
            let record = try await said("cycle", of: hanging.tid, by: watcher)
            #expect(holders(record) == [hanging.pid])
            #expect(relations(record) == ["lock_holder"])
        }
    }

    @Test(arguments: Age.allCases) func `those in line before are told and prove nothing`(age: Age) async throws {
        try await watch("lock-queue", age) { hanging, watcher in
            let holder = try #require(hanging.says.integer("holder_pid"))
            let queued = try #require(hanging.says.integer("queued_pid"))
            let owner = try #require(hanging.says.integer("owner_pid"))
            let record = try await settled(hanging.tid, by: watcher)
            #expect(record.text("verdict") == "stuck")
            #expect(record.text("reason") == "lock_held")
            #expect(holders(record) == [holder, queued])
            #expect(relations(record) == ["lock_holder", "queued"])
            #expect(record.integer("root.pid") == holder)
            let wide = try await settled(queued, by: watcher)
            #expect(Set(holders(wide)) == [holder, owner])
            #expect(wide.text("reason") == "lock_held")
            expectNoDeadlock(of: [hanging.tid, queued, owner, holder], watcher)
        }
    }

    // MARK: - mutexes

    @Test(arguments: Age.allCases) func `a mutex copied by fork has an owner that is gone`(age: Age) async throws {
        try await watch("mutex-forked", age) { hanging, watcher in
            let record = try await settled(hanging.tid, by: watcher)
            #expect(record.text("verdict") == "stuck")
            #expect(record.text("reason") == "owner_gone")
            #expect(record.text("root.kind") == "nobody")
            #expect(holders(record).isEmpty)
            let owner = try #require(hanging.says.integer("gone_tid"))
            #expect(record.strings("evidence").contains("owner tid \(owner)"))
        }
    }

    @Test(arguments: Age.allCases) func `a deadlock of threads whose main thread has ended is found`(age: Age)
        async throws
    {
        try await watch("deadlock-leaderless", age) { hanging, watcher in
            try await expectDeadlock(of: hanging, watcher)
        }
    }

    @Test(arguments: Age.allCases) func `a futex of another make is parked, whatever it looks like`(age: Age)
        async throws
    {
        try await watch("futex-foreign", age) { hanging, watcher in
            let record = try await settled(hanging.tid, by: watcher)
            #expect(record.text("verdict") == "idle")
            #expect(record.text("reason") == "parked")
            #expect(holders(record).isEmpty)
            expectNoDeadlock(of: [hanging.tid], watcher)
        }
    }

    @Test(arguments: ["rwlock-shared-read", "rwlock-shared-write", "mutex-shared", "mutex-shared-timed"], Age.allCases)
    func `a lock in shared memory names the process that has it`(mode: String, age: Age) async throws {
        try await watch(mode, age) { hanging, watcher in
            let record = try await settled(hanging.tid, by: watcher)
            let holder = try #require(hanging.says.integer("holder_pid"))
            #expect(record.text("verdict") == "stuck")
            #expect(record.text("reason") == "lock_held")
            #expect(holders(record) == [holder])
            #expect(relations(record) == ["owner"])
            #expect(record.integer("root.pid") == holder)
            if mode.hasSuffix("timed") {
                let hour = 3_600_000_000_000
                let timeout = try #require(record.integer("syscall.timeout"))
                // a lower bound of the start makes the span longer
                #expect((hour - 60_000_000_000...hour + 60_000_000_000).contains(timeout), "\(timeout)")
            }
        }
    }

    @Test(arguments: Age.allCases) func `a lock that readers have is not parked: it is not known who`(age: Age)
        async throws
    {
        try await watch("rwlock-shared-read-by", age) { hanging, watcher in
            let record = try await settled(hanging.tid, by: watcher)
            #expect(record.text("verdict") == "waiting")
            #expect(record.text("reason") == "unknown")
            #expect(record.strings("unresolved").contains("holders=not_recorded"))
            #expect(record.text("root.kind") == "unknown")
        }
    }

    // MARK: - what may not be read

    /// The members of a poll and the owner of a mutex lie in memory, which nobody may read without that capability.
    @Test(arguments: [("mutex", "holders"), ("poll-circle", "members")])
    func `what lies in memory that may not be read is not known, and not idle`(mode: String, field: String) async throws
    {
        let prefix = ["/usr/bin/setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]
        try await Watcher.run(["--threshold", "500ms", "--repeat", "500ms"], through: prefix) { watcher in
            try await Hanging.run(mode) { hanging in
                let record = try await settled(hanging.tid, by: watcher)
                #expect(record.text("verdict") == "waiting")
                #expect(record.text("reason") == "unknown")
                #expect(record.strings("unresolved").contains("\(field)=not_permitted"))
                #expect(record.text("root.kind") == "unknown")
                expectNoDeadlock(of: [hanging.tid], watcher)
            }
        }
    }

    // MARK: - sets in circles

    @Test(arguments: Age.allCases) func `a circle through a poll is a deadlock`(age: Age) async throws {
        try await watch("poll-circle", age) { hanging, watcher in
            try await expectDeadlock(of: hanging, watcher)
            let child = try members(hanging)[1]
            #expect(holders(try await said("cycle", of: hanging.tid, by: watcher)) == [child])
            #expect(holders(try await said("cycle", of: child, by: watcher)) == [hanging.pid])
        }
    }

    @Test(arguments: Age.allCases) func `a ring waits for what its requests poll`(age: Age) async throws {
        try await watch("io-uring-circle", age) { try await expectDeadlock(of: $0, $1) }
        try await watch("io-uring-silent-server", age) { hanging, watcher in
            let record = try await said("reply_pending", of: hanging.tid, by: watcher)
            #expect(holders(record) == [try #require(hanging.says.integer("holder_pid"))])
            #expect(record.text("resource.kind") == "io_uring")
            #expect(record.text("resource.member.kind") == "tcp")
            #expect(record.integer("resource.member.fd") == hanging.says.integer("member_fd"))
            #expect(record.text("network.state") == "ESTABLISHED")
        }
    }

    @Test(arguments: Age.allCases) func `a circle through a poll with a time-out is no deadlock`(age: Age) async throws
    {
        try await watch("poll-circle", numbers: [3_600_000], age) { hanging, watcher in
            let tids = try members(hanging)
            for tid in tids { #expect(try await settled(tid, by: watcher).text("reason") != "peer_stuck") }
            expectNoDeadlock(of: tids, watcher)
        }
    }

    @Test(arguments: Age.allCases) func `two event loops at rest are idle`(age: Age) async throws {
        try await watch("poll-pair", age) { hanging, watcher in
            let tids = try members(hanging)
            for tid in tids { #expect(try await settled(tid, by: watcher).text("verdict") == "idle") }
            expectNoDeadlock(of: tids, watcher)
        }
    }

    // MARK: - descriptors

    @Test(arguments: Age.allCases) func `all processes that share a table of descriptors hold what is in it`(age: Age)
        async throws
    {
        try await watch("shared-table", age) { hanging, watcher in
            let sharing = [hanging.says.integer("member_0"), hanging.says.integer("member_1")].compactMap { $0 }
            let record = try await settled(hanging.tid, by: watcher)
            #expect(Set(holders(record)) == Set(sharing))
            #expect(record.integer("holder.count") == 2)
            #expect(record.integer("root.pid") == hanging.says.integer("root_pid"))
            expectNoDeadlock(of: sharing + [hanging.tid], watcher)
        }
    }

    @Test(arguments: ["tty-write-stopped", "tty-write-ctrl-s"], Age.allCases)
    func `a write to a stopped terminal stalls at whoever has its other side`(mode: String, age: Age) async throws {
        try await watch(mode, age) { hanging, watcher in
            let record = try await settled(hanging.tid, by: watcher)
            let holder = try #require(hanging.says.integer("holder_pid"))
            #expect(record.text("verdict") == "stuck")
            #expect(record.text("reason") == "send_stalled")
            #expect(record.text("resource.kind") == "tty")
            #expect(holders(record) == [holder])
            #expect(record.integer("root.pid") == holder)
        }
    }

    @Test(arguments: Age.allCases) func `an answer that the network loses is held up by no process`(age: Age)
        async throws
    {
        try await watch("tcp-reply-lost", age) { hanging, watcher in
            // until all was lost it waited for that to be said, too
            let record = try await said("send_stalled", of: hanging.tid, by: watcher)
            #expect(record.text("verdict") == "stuck")
            #expect(holders(record) == [try #require(hanging.says.integer("holder_pid"))])
            #expect(record.text("root.kind") == "network")
            #expect(record.text("root.address") == "10.98.0.2:4000")
            #expect(record.integer("network.retransmits") == 0, "its own end has nothing to send")
        }
    }

    @Test(arguments: Age.allCases) func `a server on a unix socket that has answered is idle`(age: Age) async throws {
        try await watch("unix-server-at-rest", age) { hanging, watcher in
            let record = try await settled(hanging.tid, by: watcher)
            #expect(record.text("verdict") == "idle")
            #expect(record.text("reason") == "awaiting_request")
        }
    }

    @Test(arguments: Age.allCases) func `its client that has asked waits for the answer`(age: Age) async throws {
        try await watch("unix-unanswered", age) { hanging, watcher in
            let record = try await settled(hanging.tid, by: watcher)
            let server = try #require(hanging.says.integer("holder_pid"))
            #expect(record.text("verdict") == "waiting")
            #expect(record.text("reason") == "reply_pending")
            #expect(holders(record) == [server])
            #expect(record.integer("root.pid") == server)
        }
    }
}
