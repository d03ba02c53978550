/// Bytes as they come from a file or a pipe, cut into lines. A line that is too long is counted and not kept.
public struct LineSplitter: Sendable {
    public enum Line: Sendable, Equatable {
        /// Without its newline.
        case whole([UInt8])
        case tooLong(bytes: Int)
    }

    /// In bytes.
    public let limit: Int
    private var rest: [UInt8] = []
    /// Of the line that is being read, those that were let go.
    private var skipped = 0

    public init(limit: Int) { self.limit = max(limit, 1) }

    /// - Parameter bytes: the next ones of the stream, any number.
    public mutating func feed(_ bytes: ArraySlice<UInt8>, _ body: (Line) -> Void) {
        var from = bytes.startIndex
        while let end = bytes[from...].firstIndex(of: UInt8(ascii: "\n")) {
            keep(bytes[from..<end])
            finishLine(body)
            from = end + 1
        }
        keep(bytes[from...])
    }

    /// The last line, if it has no newline: whoever wrote it may have been cut off.
    public mutating func finish(_ body: (Line) -> Void) {
        if !rest.isEmpty || skipped > 0 { finishLine(body) }
    }

    private mutating func keep(_ part: ArraySlice<UInt8>) {
        if skipped == 0, rest.count + part.count <= limit {
            rest.append(contentsOf: part)
        } else {
            skipped += rest.count + part.count
            rest.removeAll(keepingCapacity: true)
        }
    }

    private mutating func finishLine(_ body: (Line) -> Void) {
        if skipped > 0 { body(.tooLong(bytes: skipped)) } else { body(.whole(rest)) }
        rest.removeAll(keepingCapacity: true)
        skipped = 0
    }
}
