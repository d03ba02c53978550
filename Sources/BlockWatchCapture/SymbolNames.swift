internal import BlockWatchBPF
internal import CLibbpf
internal import Glibc
internal import Synchronization

/// What the kernel's functions are called, from the kernel.
@safe public final class SymbolNames: @unchecked Sendable {
    private let link, program: Int32
    private let visitsSingly: Bool
    private let addresses: SharedSection<UInt64>
    /// One question at a time.
    private let asking = Mutex(())
    /// Keeps the descriptors open.
    private let owner: Links

    init(
        link: Int32, program: Int32, visitsSingly: Bool, of object: borrowing EmbeddedObject, owner: Links
    ) throws(CaptureError) {
        self.link = link
        self.program = program
        self.visitsSingly = visitsSingly
        self.owner = owner
        addresses = try SharedSection(".data.symbols", of: object, as: UInt64.self, count: Int(BW_SYMBOLS_MAX))
    }

    /// - Returns: of those that lie in a function of the kernel or of a module its name; `nil` if the kernel did not answer.
    ///
    /// C function: `bpf_seq_printf` with `%ps`
    public func names(of wanted: [UInt64]) -> [UInt64: String]? {
        var names: [UInt64: String] = [:]
        var rest = wanted.filter { $0 != 0 }[...]
        while !rest.isEmpty {
            let some = rest.prefix(Int(BW_SYMBOLS_MAX))
            rest = rest.dropFirst(some.count)
            let text = asking.withLock { _ in
                for place in 0..<Int(BW_SYMBOLS_MAX) {
                    unsafe addresses.pointer[place] = place < some.count ? some[some.startIndex + place] : 0
                }
                return try? read()
            }
            guard let lines = text?.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) else {
                return nil
            }
            for (address, line) in zip(some, lines) {
                // `name [module]`; of what is no function it writes the address
                let name = line.prefix { $0 > UInt8(ascii: " ") }
                if !name.isEmpty, !name.starts(with: "0x".utf8) {
                    names[address] = String(decoding: name, as: UTF8.self)
                }
            }
        }
        return names
    }

    private func read() throws(CaptureError) -> [UInt8] {
        try withExtendedLifetime(owner) { () throws(CaptureError) in
            // one thread is enough to be asked for
            if visitsSingly, let own = IteratorLink(program: program, thread: UInt32(getpid())) {
                return try readIterator(own.descriptor, step: "name functions of the kernel")
            }
            return try readIterator(link, step: "name functions of the kernel")
        }
    }
}
