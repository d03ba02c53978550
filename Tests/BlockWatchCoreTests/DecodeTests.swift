import BlockWatchBPF
import Testing

@testable import BlockWatchCore

@Suite struct `Bytes become values at one door` {
    @Test func `a closing, byte by byte`() throws {
        let bytes: [UInt8] = [
            0x04, 0x00, 0x00, 0x00,  // type: BW_RECORD_CLOSE
            0x01, 0x00, 0x00, 0x00,  // reason: BW_CLOSE_RETURNED
            0xef, 0xbe, 0xad, 0xde, 0x00, 0x00, 0x00, 0x00,  // id
            0x00, 0xca, 0x9a, 0x3b, 0x00, 0x00, 0x00, 0x00,  // now_ns: one second
            0x92, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,  // result: -110
        ]
        guard case .closed(let closing) = try Bytes.record(bytes) else { throw Bytes.Unexpected() }
        #expect(
            closing == ClosedRecord(call: 0xdead_beef, reason: .returned, nowNanoseconds: 1_000_000_000, result: -110))
    }

    @Test func `a short record is refused, whatever its length`() throws {
        for whole in [Bytes.call(), Bytes.close(1, BW_CLOSE_ENDED, at: 5)] {
            for length in [0, 1, 3, 4, 31, whole.count - 1] where length < whole.count {
                #expect(throws: DecodeError.self, "\(length) bytes") { try Bytes.record(Array(whole.prefix(length))) }
            }
        }
        #expect(throws: DecodeError.unknownType(77)) {
            try Bytes.record([77, 0, 0, 0] + [UInt8](repeating: 0, count: 4000))
        }
    }

    @Test func `no bytes make it trap`() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            var bytes = (0..<2200).map { _ in UInt8.random(in: 0...255, using: &generator) }
            bytes.replaceSubrange(0..<4, with: [UInt8.random(in: 0...5), 0, 0, 0])
            guard case .call(let call)? = try? Bytes.record(bytes) else { continue }
            _ = (call.stack, call.cgroupPath, call.stateLetter, call.arguments, call.startNanoseconds, call.threadName)
            guard let object = call.object else { continue }
            _ = (object.unix, object.internet, object.name, object.fileSystem, object.pipe)
        }
    }

    @Test func `the kernel's terms become the users'`() throws {
        let call = try Bytes.callRecord(Bytes.call(cgroup: ["system.slice", "cron.service"]))
        #expect(call.pid == 7)
        #expect(call.tid == 8)
        #expect(call.occasion == .found)
        #expect(String(decoding: call.processName, as: UTF8.self) == "cat")
        #expect(String(decoding: call.cgroupPath, as: UTF8.self) == "/system.slice/cron.service")
        #expect(try Bytes.callRecord(Bytes.call()).cgroupPath == [UInt8(ascii: "/")])
    }

    @Test(arguments: [
        (0, "R"), (1, "S"), (2, "D"), (0x402, "I"), (4, "T"), (8, "t"), (0x10, "X"), (0x20, "Z"), (0x102, "D"),
        (0x2102, "D"),
        (0x8000, "D"),
    ])
    func `the state is the letter of ps`(state: UInt32, letter: String) throws {
        #expect(try Bytes.callRecord(Bytes.call { $0.state = state }).stateLetter == letter)
    }

    @Test func `a start after now is now`() throws {
        #expect(try Bytes.callRecord(Bytes.call { $0.start_ns = $0.now_ns + 5 }).startNanoseconds == 15_000_000_000)
    }
}
