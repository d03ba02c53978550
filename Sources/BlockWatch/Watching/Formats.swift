import BlockWatchCore
import Glibc

/// The line format that was asked for.
struct Formats {
    private var ndjson: NDJSON
    private var text: TextFormat?
    private let isTerminal: Bool
    private let offsetSeconds: Int64

    init(_ settings: borrowing Settings, origin: RecordOrigin) {
        ndjson = NDJSON(origin)
        isTerminal = settings.outputPath == nil && Terminal.isThere
        let wantsText = settings.format == .text || (settings.format == .auto && isTerminal)
        text = wantsText ? TextFormat(usesColor: isTerminal && Terminal.usesColor) : nil
        var now = time(nil)
        var local = unsafe tm()
        unsafe localtime_r(&now, &local)
        offsetSeconds = unsafe Int64(local.tm_gmtoff)
    }

    /// - Returns: nothing where another line has said it.
    mutating func line(_ record: Record) -> [UInt8] {
        if isTerminal { text?.width = Terminal.width }
        return text?.line(record, offsetSeconds: offsetSeconds) ?? ndjson.line(record)
    }
}
