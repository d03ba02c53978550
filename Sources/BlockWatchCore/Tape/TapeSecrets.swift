/// What is taken out before it reaches a tape, which others will read.
extension TapeEntry {
    /// A risky question and its answer: of a command line what looks like a secret is hidden, whatever the lines show,
    /// and of a mount nothing is kept but what was mounted where.
    public static func answered(_ question: RiskyQuestion, _ answer: RiskyAnswer) -> TapeEntry {
        guard case .bytes(let bytes) = answer else { return .risky(question, answer) }
        switch question {
        case .commandLine:
            let shown = CommandLineRedaction.redacted(ProcFS.arguments(commandLine: bytes))
            return .risky(question, .bytes([UInt8](shown.joined(separator: [0]))))
        case .mounts: return .risky(question, .bytes(withoutOptions(mountinfo: bytes)))
        case .loopFile:
            let path = bytes.prefix { $0 != UInt8(ascii: "\n") }
            let mounts = [UInt8](bytes.dropFirst(path.count))
            return .risky(question, .bytes(path + [UInt8(ascii: "\n")] + withoutOptions(mountinfo: mounts)))
        case .memory, .semaphore, .sharedMemory, .blockDevices, .userStack: return .risky(question, answer)
        }
    }

    /// The last column holds options of the file system: user names, and whatever its author thought of.
    static func withoutOptions(mountinfo: [UInt8]) -> [UInt8] {
        var kept: [UInt8] = []
        for line in mountinfo.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: " "))
            let dash = fields.firstIndex { $0.elementsEqual([UInt8(ascii: "-")]) } ?? fields.count
            kept += fields.prefix(dash + 3).joined(separator: [UInt8(ascii: " ")])
            kept.append(UInt8(ascii: "\n"))
        }
        return kept
    }
}
