import Foundation
import Testing

/// Every way to hang: what blockwatch says is held against what the program says of itself.
@Suite(.serialized) struct `Each way to hang is named` {
    /// Not hangs of their own: storms, helpers, and those whose every call returns in time.
    static let others: Set<String> = [
        "fork-storm", "debugger", "idle", "crossing", "many-threads", "ppoll-eintr-loop",
        "spin", "many-waiters", "many-pipes",
        // no call of theirs stays: CallTests
        "duty-cycle",
        // busy, or coming and going: ExplainForTests
        "retry-connect", "retry-connect-logging", "spin-again", "spin-poll", "spin-without-calls",
        "spin-in-one-thread", "missing-file", "epoll-unread", "epoll-ticking", "copy-bytes",
        "restart-worker", "crash-worker", "end-on-signal", "rename-on-signal",
        // what they say of themselves is not what a record of them says: VerdictTests
        "poll-pair", "rwlock-shared-read-by",
        // faults that the whole host feels: FaultTests
        "fuse-dead", "mmap-lock", "userfaultfd-epoll",
    ]

    enum Age: String, CaseIterable, Sendable { case younger, older }

    @Test(arguments: [Built.hang, Built.hang32], Age.allCases)
    func `younger and older than blockwatch, in both ABIs`(program: String, age: Age) async throws {
        let listing = try Child(program, ["list"])
        #expect(try await listing.exitCode() == 0)
        let modes = listing.lines.compactMap { $0.split(separator: " ").first.map(String.init) }
            .filter { !Self.others.contains($0) }
        #expect(modes.count > 80)
        try await hangAll(modes[...], program, []) { hanging in
            if age == .older { try await Task.sleep(for: .seconds(2)) }
            try await Watcher.run(["--threshold", "1s"]) { watcher in
                for (mode, program) in hanging {
                    guard let record = try? await watcher.blocked(tid: program.tid) else {
                        Issue.record("\(mode): never reported; it says \(program.says)")
                        continue
                    }
                    for difference in differences(program.says, record) {
                        Issue.record("\(mode): \(difference) in \(record)")
                    }
                    // one that restarts just while blockwatch starts seems to begin there
                    if age == .older, !mode.hasPrefix("restart-"), program.says["renewed"] == nil {
                        #expect(record.text("event.start_source") == "last_ran", "\(mode)")
                    }
                }
                for (mode, program) in hanging {
                    let wanted = members(of: program.says)
                    guard !wanted.isEmpty else { continue }
                    let told = try? await watcher.record("the deadlock of \(mode)", within: 5) { record in
                        record.action == "deadlock" && wanted == record.memberThreads
                    }
                    #expect(told != nil, "\(mode): no deadlock record of exactly \(wanted)")
                }
                for record in watcher.records where record.action == "deadlock" {
                    for (mode, program) in hanging where record.memberThreads.contains(program.tid) {
                        #expect(record.memberThreads == members(of: program.says), "\(mode): a deadlock that is none")
                    }
                }
                for (mode, program) in hanging {
                    let count = watcher.records.count { $0.action == "blocked" && $0.tid == program.tid }
                    #expect(count == 1, "\(mode): blocked was said \(count) times")
                }
            }
        }
    }

    /// Threads of the deadlock that a program says it is in.
    private func members(of says: Fields) -> Set<Int> {
        Set((0..<(says.integer("members_count") ?? 0)).compactMap { says.integer("member_\($0)") })
    }

    /// Hangs them one inside the other, so that each is cleared away whatever happens.
    private func hangAll(
        _ modes: ArraySlice<String>, _ program: String, _ hanging: [(String, Hanging)],
        _ body: ([(String, Hanging)]) async throws -> Void
    ) async throws {
        guard let mode = modes.first else { return try await body(hanging) }
        try await Hanging.run(mode, program: program) {
            try await hangAll(modes.dropFirst(), program, hanging + [(mode, $0)], body)
        }
    }

    private func differences(_ says: Fields, _ record: Fields) -> [String] {
        var found: [String] = []
        func compare(_ key: String, _ path: String) {
            guard let wanted = says[key] else { return }
            let have = record[path]
            if have.map({ "\($0)" }) != "\(wanted)" { found.append("\(path) is \(have ?? "missing"), not \(wanted)") }
        }
        compare("pid", "process.pid")
        compare("kind", "resource.kind")
        compare("fd", "resource.fd")
        compare("inner_pid", "process.namespace.pid")
        compare("holder_pid", "holder.pid")
        compare("owner_tid", "holder.tid")
        compare("holder_count", "holder.count")
        compare("root_pid", "root.pid")
        compare("reason", "reason")
        if let wanted = says.integer("member_fd") {
            let first = (record["members"] as? [[String: Any]])?.first
            if (first?["fd"] as? NSNumber)?.intValue != wanted { found.append("the first member is not fd \(wanted)") }
        }
        if says["renewed"] != nil {
            if record.text("event.start_source") != "renewed" { found.append("it is not said to be renewed") }
            if record.integer("syscall.renewals") ?? 0 < 1 { found.append("no count of renewals") }
        }
        if let wanted = says.text("unresolved"), !record.strings("unresolved").contains(wanted) {
            found.append("unresolved lacks \(wanted)")
        }
        if says.integer("members_count") != nil {
            if record.text("verdict") != "deadlock" { found.append("the verdict is no deadlock") }
        } else if record.text("verdict") == "deadlock" {
            found.append("a deadlock where there is none")
        }
        compare("process_name", "process.name")
        compare("thread_name", "process.thread.name")
        if says.text("syscall") != "none" {
            compare("syscall", "syscall.name")
            compare("number", "syscall.number")
            compare("abi", "syscall.abi")
        }
        for (key, path) in [
            ("readers", "pipe.readers"), ("writers", "pipe.writers"), ("bytes", "pipe.bytes"),
            ("capacity", "pipe.capacity"),
            ("local_port", "network.local.port"), ("peer_port", "network.peer.port"), ("state", "network.state"),
            ("local_address", "network.local.address"), ("peer_address", "network.peer.address"),
            ("peer_inode", "network.peer.inode"), ("lock", "lock.type"), ("lock_mode", "lock.mode"),
            ("start", "lock.start"), ("end", "lock.end"), ("filesystem", "file.filesystem"),
        ] { compare(key, path) }
        let kind = says.text("kind") ?? ""
        if ["pipe", "fifo", "file", "tty", "device"].contains(kind),
            record.text("syscall.name")?.hasPrefix("open") != true
        {
            compare("inode", kind == "pipe" ? "pipe.inode" : "file.inode")
        }
        if ["tcp", "udp", "unix", "netlink"].contains(kind) { compare("inode", "network.inode") }
        // a path over the budget is cut in its middle
        if let path = says.text("path"), kind != "unix", kind != "io_uring", path.utf8.count <= 512 {
            compare("path", "file.path")
        }
        if kind == "unix", says.text("path") != nil, says.text("syscall") != "connect" {
            let paths = [record.text("network.local.path"), record.text("network.peer.path")]
            if !paths.contains(says.text("path")) { found.append("network has no path \(says.text("path")!)") }
        }
        return found
    }
}
