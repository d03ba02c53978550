import Testing

@testable import BlockWatchCapture

/// libbpf is given a few of the kernel's types, and must make of them what it makes of all.
@Suite struct `Programs on this kernel` {
    /// What goes to the kernel, by program; descriptors of maps, which differ from one load to the next, are left out.
    private func instructions(_ types: EmbeddedObject.Types) throws -> (
        hasWholeTypes: Bool, programs: [String: [UInt8]]
    ) {
        var object = try EmbeddedObject(types: types)
        var programs: [String: [UInt8]] = [:]
        try object.load { name, bytes in
            var bytes = bytes
            // a load of 64 bits that names a map (BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE)
            for at in stride(from: 0, to: bytes.count, by: 8) where bytes[at] == 0x18 && 1...2 ~= bytes[at + 1] >> 4 {
                bytes.replaceSubrange(at + 4..<at + 8, with: [0, 0, 0, 0])
            }
            programs[name] = bytes
        }
        return (object.hasWholeTypes, programs)
    }

    @Test func `are the same from the types that are needed and from all`() throws {
        let few = try instructions(.needed)
        let all = try instructions(.whole)
        #expect(!few.hasWholeTypes, "this kernel's types were not understood: it starts slowly")
        #expect(all.hasWholeTypes)
        #expect(all.programs.count == ProgramProbe.all.count + 1, "count_calls, and what doctor tries")
        #expect(few.programs.keys.sorted() == all.programs.keys.sorted())
        for (name, bytes) in all.programs { #expect(few.programs[name] == bytes, "\(name) differs") }
    }

    @Test func `attach to what libbpf would attach them to`() throws {
        let all = KernelTypes.targets(of: KernelTypes.attached)
        #expect(all.count == KernelTypes.attached.count)
        #expect(try #require(KernelTypes.neededByObject()).targets == all)
    }
}
