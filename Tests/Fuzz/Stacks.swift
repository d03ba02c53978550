@testable import BlockWatchCore

/// What a worker that walks stacks answers: it has read files and memory of others, and is believed nothing.
func fuzzStack(_ bytes: [UInt8]) {
    var rest = bytes[...]
    while !rest.isEmpty {
        let before = rest.count
        guard let (_, stack, _) = try? UserStack.thread(from: &rest) else { return }
        require(rest.count < before, "a thread of no bytes")
        require(stack.frames.count <= 64, "\(stack.frames.count) frames")
        require(stack.gilHolder.map { $0 > 0 } ?? true, "a holder \(stack.gilHolder ?? 0)")
        for frame in stack.frames {
            require(frame.line.map { $0 > 0 } ?? true, "a line \(frame.line ?? 0)")
            require(!frame.name.isEmpty && (frame.function?.count ?? 0) <= 1024, "a name of \(frame.name.count) bytes")
        }
        for name in stack.names(most: 12) { require(name.count <= 128, "\(name.count) bytes") }
        checkText(stack.clause)
        checkText(TerminalText.escaped(stack.site ?? []))
        _ = stack.wait
        for frame in stack.frames { if let name = frame.callName { checkText(name) } }
    }
}
