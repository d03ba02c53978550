import BlockWatchBPF
import Foundation
import Testing

@testable import BlockWatchCore

@Suite struct `Lines` {
    private func call() -> BlockedCall {
        BlockedCall(
            id: 1, eventID: "0123456789abcdef", kind: .systemCall, startNanoseconds: 0, startSource: .entry,
            process: ProcessIdentity(
                pid: 7, tid: 8, parentPID: 1, innerPID: 2, innerTID: 3, name: Array("cat".utf8),
                threadName: Array("cat".utf8),
                executable: Array("/bin/cat".utf8), commandLine: "cat", startWallNanoseconds: 0,
                entityID: "0123456789abcdef",
                state: "S", userID: 0, userName: "root", cgroupPath: [UInt8(ascii: "/")],
                cgroup: CgroupIdentity(path: "/")),
            call: SystemCall(name: "read", number: 0, abi: .x86_64, arguments: [3, .max, 0, 0, 0, 0]),
            resource: Resource(.file, name: Array("/x".utf8), descriptor: 3), stack: [], unresolved: [])
    }

    private func line(_ call: BlockedCall, result: Int64? = nil, duration: UInt64 = 5_000_000_000) throws -> (
        [UInt8], [String: Any]
    ) {
        var format = NDJSON(RecordOrigin(hostName: "h", bootID: "b"))
        let report = CallReport(call: call, startWallNanoseconds: 0, durationNanoseconds: duration, result: result)
        let bytes = format.line(
            Record(action: .returned, sequence: 1, wallNanoseconds: 1_700_000_000_123_456_789, body: .call(report)))
        #expect(bytes.count <= NDJSON.lineLimit)
        #expect(bytes.last == 10 && bytes.dropLast().allSatisfy { $0 >= 0x20 && $0 != 0x7f })
        return (bytes, try #require(try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any]))
    }

    @Test func `have the fields of the contract`() throws {
        let (bytes, object) = try line(call(), result: -110)
        #expect(object["@timestamp"] as? String == "2023-11-14T22:13:20.123456Z")
        let syscall = try #require(object["syscall"] as? [String: Any])
        #expect(syscall["result"] as? Int == -110)
        #expect(syscall["error"] as? String == "ETIMEDOUT")
        #expect((syscall["arguments"] as? [String])?.prefix(2) == ["0x3", "0xffffffffffffffff"])
        #expect(String(decoding: bytes, as: UTF8.self).contains(#""duration":5000000000"#))
        let process = try #require(object["process"] as? [String: Any])
        #expect((process["namespace"] as? [String: Any])?["pid"] as? Int == 2)
    }

    @Test func `stay below 4,080 bytes whatever is in them, and say what was cut`() throws {
        var worst = call()
        let hostile = (0..<4096).map { UInt8([0x1b, 0xff, 0x22, 0x5c, 0x0a, 0x41][$0 % 6]) }
        worst.process.executable = hostile
        worst.process.name = Array(hostile.prefix(15))
        worst.process.threadName = Array(hostile.prefix(15))
        worst.process.commandLine = String(decoding: hostile, as: UTF8.self)
        worst.process.cgroupPath = hostile
        worst.resource.name = hostile
        worst.resource.file = FileFields()
        worst.resource.file?.path = hostile
        worst.resource.file?.server = String(decoding: hostile, as: UTF8.self)
        worst.resource.network = NetworkFields(transport: "unix")
        worst.resource.network?.local.path = Array(hostile.prefix(108))
        worst.resource.network?.peer.path = Array(hostile.prefix(108))
        worst.stack = (0..<16).map { "a_function_with_quite_a_long_name_\($0)" }
        worst.unresolved = ["process.command_line=timed_out", "file.path=not_permitted"]
        let (_, object) = try line(worst)
        let truncated = try #require(object["truncated"] as? [String])
        #expect(truncated.contains("stack"))
        #expect(truncated.contains("file.path"))
        #expect((object["process"] as? [String: Any])?["pid"] as? Int == 7)
    }

    @Test func `keep the exact bytes of a path that is no UTF-8`() throws {
        var odd = call()
        odd.resource.file = FileFields()
        odd.resource.file?.path = [0x2f, 0xff]
        let file = try #require(try line(odd).1["file"] as? [String: Any])
        #expect(file["path"] as? String == "/\u{fffd}")
        #expect(file["path_base64"] as? String == "L/8=")
    }

    @Test func `durations past 2^53 are whole milliseconds`() throws {
        let (bytes, _) = try line(call(), duration: 1 << 53 + 1_234_567)
        let text = String(decoding: bytes, as: UTF8.self)
        let digits = text.components(separatedBy: "\"duration\":")[1].prefix { $0.isNumber }
        #expect(digits.hasSuffix("000000"))
    }

    @Test func `text is one line without a control character, and says when a duration is a lower bound`() throws {
        var odd = call()
        odd.startSource = .lastRan
        odd.process.name = Array("a\n\u{1b}[31mb".utf8)
        let report = CallReport(call: odd, startWallNanoseconds: 0, durationNanoseconds: 5_000_000_000, result: nil)
        let record = Record(action: .blocked, sequence: 1, wallNanoseconds: 0, body: .call(report))
        var plain = TextFormat(usesColor: false)
        let text = String(decoding: plain.line(record, offsetSeconds: 3600), as: UTF8.self)
        #expect(text.hasPrefix("01:00:00  blocked "))
        #expect(text.contains(">=5.0s"))
        #expect(text.hasSuffix("\n") && !text.dropLast().unicodeScalars.contains { $0.value < 0x20 })
        var coloured = TextFormat(usesColor: true)
        #expect(String(decoding: coloured.line(record, offsetSeconds: 0), as: UTF8.self).contains("\u{1b}[33m"))
    }
}
