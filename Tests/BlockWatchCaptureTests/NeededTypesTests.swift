import CLibbpf
import Testing

@testable import BlockWatchCapture

/// A kernel of a few types, cut down to what is needed.
@Suite struct `The few types that relocations look at` {
    private typealias Words = [UInt32]

    private func bytes(_ types: Words, _ strings: String) -> [UInt8] {
        let text = Array(strings.utf8)
        let size = UInt32(types.count * 4)
        return [0x9f, 0xeb, 1, 0]
            + ([24, 0, size, size, UInt32(text.count)] + types).flatMap { word in
                (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
            } + text
    }

    private func kind(_ kind: TypeTable.Kind, _ count: UInt32 = 0) -> UInt32 { kind.rawValue << 24 | count }

    /// 1 int, 2 other (not needed), 3 pointer to 2, 4 typedef word of 1, 5 file { word a; other *b; }, 6 function, 7 typedef of it
    private var vmlinux: [UInt8] {
        bytes(
            [1, kind(.int), 4, 32] + [5, kind(.structure, 1), 4, 16, 1, 0] + [0, kind(.pointer), 2]
                + [11, kind(.typedef), 1] + [16, kind(.structure, 2), 16, 21, 4, 0, 23, 3, 64]
                + [25, kind(.function), 0] + [39, kind(.typedef), 0],
            "\0int\0other\0word\0file\0a\0b\0bpf_iter_task\0btf_trace_x\0")
    }

    private func needed(
        _ names: [String], targets: [(String, TypeTable.Kind)] = [], in vmlinux: [UInt8], modules: [[UInt8]] = []
    ) -> NeededTypes? {
        var wanted = WantedTypes()
        for name in names { _ = wanted.insert(Array(name.utf8), .structure) }
        return vmlinux.withUnsafeBytes {
            NeededTypes(of: wanted, targets: targets.map { (name: $0.0, kind: $0.1) }, in: $0, modules: { modules })
        }
    }

    @Test func `members come along, what is pointed at does not`() throws {
        let few = try #require(needed(["file___old"], in: vmlinux)).description
        let table = try few.withUnsafeBytes { try #require(TypeTable($0)).endID }
        #expect(table == 5, "file, word, int, and the pointer")
        let text = String(decoding: few.suffix(20), as: UTF8.self)
        #expect(text.contains("file\0") && !text.contains("other"))
    }

    @Test func `what vmlinux does not have comes from modules, with its members of vmlinux`() throws {
        // 8: fuse_dev { word a; }, with names that go on behind vmlinux's
        let strings = UInt32("\0int\0other\0word\0file\0a\0b\0bpf_iter_task\0btf_trace_x\0".utf8.count)
        let module = bytes([strings, kind(.structure, 1), 4, 21, 4, 0], "fuse_dev\0")
        let few = try #require(needed(["fuse_dev", "nowhere"], in: vmlinux, modules: [module])).description
        #expect(try few.withUnsafeBytes { try #require(TypeTable($0)).endID } == 4, "fuse_dev, word, int")
        #expect(try #require(needed(["fuse_dev"], in: vmlinux)).description.count == 25, "nothing but a header")
    }

    @Test func `what is attached to is found by its number in vmlinux, or all is left to libbpf`() {
        let found = needed([], targets: [("bpf_iter_task", .function), ("btf_trace_x", .typedef)], in: vmlinux)
        #expect(found?.targets == ["bpf_iter_task": 6, "btf_trace_x": 7])
        #expect(needed([], targets: [("btf_trace_y", .typedef)], in: vmlinux) == nil)
        #expect(needed([], targets: [("btf_trace_x", .function)], in: vmlinux) == nil)
    }

    @Test func `what is cut short or unknown is left to libbpf`() {
        for count in 0..<vmlinux.count { #expect(needed(["file"], in: Array(vmlinux.prefix(count))) == nil) }
        for index in 0..<vmlinux.count {
            for value: UInt8 in [0, 1, 0x7f, 0xff] {
                var spoiled = vmlinux
                spoiled[index] = value
                // whatever it says, it is read within its bytes
                _ = needed(["file", "other"], targets: [("bpf_iter_task", .function)], in: spoiled)
            }
        }
        var unknown = vmlinux
        unknown[24 + 7] = 31
        #expect(needed(["file"], in: unknown) == nil)
    }

    @Test func `a flavor is cut where libbpf cuts it`() {
        var wanted = WantedTypes()
        let isTaken = ["a___b", "___b", "a___", "a____b"].map { wanted.insert(Array($0.utf8), .structure) }
        #expect(isTaken == [true, true, true, true])
        #expect(wanted.keys.map { String(decoding: $0.name, as: UTF8.self) } == ["a", "___b", "a___", "a____b"])
    }

    @Test func `all that programs attach to is looked for`() throws {
        let object = try EmbeddedObject()
        let known = Set(KernelTypes.attached.map(\.name))
        var program = unsafe bpf_object__next_program(object.pointer, nil)
        var count = 0
        while let one = unsafe program {
            let section = unsafe String(cString: bpf_program__section_name(one))
            if let target = ProgramLoader.target(ofSection: section) {
                #expect(known.contains(target.name), "\(section)")
                count += 1
            }
            unsafe program = bpf_object__next_program(object.pointer, one)
        }
        #expect(count > 8)
    }
}
