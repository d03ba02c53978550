import Foundation
import Testing

/// Stacks of programs that are not C's, and of those that are not where they seem to be.
@Suite(.serialized) struct `Stacks of all kinds of programs` {
    /// The record of a thread, as soon as a snapshot tells its stack.
    static func record(pid: Int, tid: Int) async throws -> Fields {
        var last: [String] = []
        return try await eventually(within: 30, "the stack of \(tid); snapshot says: \(last)") {
            () async throws -> Fields? in
            let child = try Child(
                Built.blockwatch,
                [
                    "snapshot", "--stacks", "--all", "--threshold", "200ms", "--format", "ndjson", "--pid", "\(pid)",
                ])
            #expect(try await child.exitCode(within: 60) == 0, "\(child.errorText)")
            last = child.lines
            let record = last.compactMap(Fields.init).first { $0.tid == tid }
            guard let record, !record.strings("code.stack").isEmpty else { return nil }
            try await Schema.check(last)
            return record
        }
    }

    static func explanation(pid: Int) async throws -> String {
        let child = try Child(Built.blockwatch, ["explain", "\(pid)"])
        #expect(try await child.exitCode(within: 30) == 0, "\(child.errorText)")
        return child.lines.joined(separator: "\n")
    }

    /// Functions in this order, nothing between them.
    static func expect(_ names: [String], in record: Fields, _ what: String) {
        let stack = record.strings("code.stack")
        let isThere = stack.indices.contains { Array(stack[$0...].prefix(names.count)) == names }
        #expect(isThere, "\(what): no \(names) in \(stack)")
    }

    private static let deep = [
        "main.readNothing", "main.goDeeper", "main.goDeeper", "main.goDeeper", "main.goDeeper", "main.main.func1",
        "runtime.goexit",
    ]

    @Test(arguments: ["where-go", "where-go-stripped"])
    func `a goroutine in a system call is told by its functions, with symbols and without`(program: String)
        async throws
    {
        let path = "\(Built.programs)/\(program)"
        try await Hanging.run("deep", program: path) { hanging in
            let record = try await Self.record(pid: hanging.pid, tid: hanging.tid)
            Self.expect(Self.deep, in: record, program)
            #expect(record.text("message")?.contains("in main.readNothing") == true, "\(record)")
            #expect(try await Self.explanation(pid: hanging.pid).contains("main.goDeeper  where.go:"))
        }
        try await Hanging.run("flock", program: path) { hanging in
            let record = try await Self.record(pid: hanging.pid, tid: hanging.tid)
            Self.expect(["syscall.Flock", "main.lockFile", "main.main.func1"], in: record, program)
        }
    }

    @Test(arguments: ["where-go", "where-go-stripped"])
    func `from C the walk goes on to the goroutine that has called it`(program: String) async throws {
        try await Hanging.run("cgo", program: "\(Built.programs)/\(program)") { hanging in
            let record = try await Self.record(pid: hanging.pid, tid: hanging.tid)
            Self.expect(
                [
                    "runtime.asmcgocall", "runtime.cgocall", "main._Cfunc_c_waits", "main.intoC", "main.main.func1",
                    "runtime.goexit",
                ], in: record, program)
            #expect(record.strings("code.stack").first?.hasSuffix("read") == true, "\(record)")
        }
    }

    @Test func `a goroutine that waits for another is on no thread: the thread waits for one to run`() async throws {
        try await Hanging.run("channel", program: "\(Built.programs)/where-go-stripped") { hanging in
            let record = try await Self.record(pid: hanging.pid, tid: hanging.tid)
            let stack = record.strings("code.stack")
            #expect(stack.contains("runtime.stoplockedm") && stack.last == "runtime.mcall", "\(stack)")
            #expect(!stack.contains("main.checkout"), "\(stack)")
            #expect(record.strings("evidence").contains("waits for a goroutine to run"), "\(record)")
        }
    }
}
