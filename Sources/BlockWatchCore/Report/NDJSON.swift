/// Writes records as lines of the stream: RFC 8259, UTF-8, at most 4,080 bytes with the newline, so that one
/// write(2) puts the whole line into a pipe and no log shipper cuts it.
public struct NDJSON: Sendable {
    public static let lineLimit = 4080

    private let origin: RecordOrigin
    var json = JSONWriter()

    public init(_ origin: RecordOrigin) { self.origin = origin }

    /// What strings may take, in escaped bytes. A line that is still too long gives up its least needed parts first.
    struct Budget {
        var stackFrames = 12
        var commandLine = 512
        var path = 512
        var name = 256
        var holders = 4
        var members = 8
        var chain = 512
        var heldSockets = 32
        /// In the order of the contract.
        static let steps: [@Sendable (inout Budget) -> Void] = [
            { $0.stackFrames = 6 },
            { $0.stackFrames = 0 },
            { $0.members = 1 },
            { $0.holders = 1 },
            { $0.heldSockets = 8 },
            { $0.heldSockets = 0 },
            { $0.chain = 192 },
            { $0.commandLine = 128 },
            { $0.commandLine = 0 },
            { $0.path = 256 },
            {
                $0.path = 96; $0.name = 96
            },
        ]
    }

    /// - Returns: the line with its newline.
    public mutating func line(_ record: Record) -> [UInt8] {
        var budget = Budget()
        var line = encode(record, budget)
        for step in Budget.steps where line.count > Self.lineLimit {
            step(&budget)
            line = encode(record, budget)
        }
        return line
    }

    private mutating func encode(_ record: Record, _ budget: Budget) -> [UInt8] {
        json.removeAll()
        json.beginObject()
        json.string("@timestamp", timestamp(record.wallNanoseconds))
        json.string("message", JSONWriter.cut(Array(Sentence.text(record).utf8), budget: 400, keep: .head).bytes)
        json.beginObject("event")
        json.string("kind", isMetric(record.action) ? "metric" : "event")
        json.string("dataset", "blockwatch.calls")
        json.string("action", record.action.rawValue)
        if case .call(let report) = record.body {
            json.string("id", report.call.eventID)
            json.integer("sequence", record.sequence)
            json.string("start", timestamp(report.startWallNanoseconds))
            json.string("start_source", report.call.startSource.rawValue)
            json.nanoseconds("duration", report.durationNanoseconds)
        } else if case .deadlock(let report) = record.body {
            json.string("id", report.id)
            json.integer("sequence", record.sequence)
            if report.parts > 1 {
                json.integer("part", report.part)
                json.integer("parts", report.parts)
            }
        } else {
            json.integer("sequence", record.sequence)
        }
        json.endObject()
        json.beginObject("log")
        json.string("level", level(record))
        json.endObject()
        json.host(of: origin, tellsAddresses: record.action == .started || record.action == .summary)
        json.beginObject("blockwatch")
        json.run(of: origin)
        switch record.body {
        case .summary(let summary): encode(summary)
        case .started(let started): encode(started)
        case .stopped(let stopped): encode(stopped)
        case .engine(let overhead): encode(overhead)
        case .call, .deadlock, .loss: break
        }
        json.endObject()
        switch record.body {
        case .call(let report): encode(report, budget)
        case .deadlock(let report): encode(report, budget)
        case .loss(let loss):
            json.beginObject("loss")
            json.string("what", loss.what)
            json.integer("count", loss.count)
            json.string("reason", loss.reason)
            json.endObject()
        case .started(let started):
            json.beginObject("os")
            json.string("kernel", started.kernel)
            json.string("machine", started.machine)
            json.endObject()
        case .summary, .stopped, .engine: break
        }
        json.endObject()
        json.newline()
        return json.bytes
    }

    private func isMetric(_ action: Record.Action) -> Bool { action == .summary }

    private func level(_ record: Record) -> String {
        switch record.action {
        case .deadlock: return "warning"
        case .loss: return "error"
        case .blocked, .stillBlocked, .slow: break
        default: return "info"
        }
        guard case .call(let report) = record.body, let finding = report.finding else { return "notice" }
        switch finding.verdict {
        case .deadlock, .stuck: return "warning"
        case .waiting: return "notice"
        case .busy: return "info"
        case .idle: return "debug"
        }
    }

    func timestamp(_ wall: UInt64) -> String {
        Timestamp.rfc3339(seconds: Int64(wall / 1_000_000_000), nanoseconds: Int64(wall % 1_000_000_000))
    }

    /// A string within its budget; what was cut is named.
    mutating func limited(
        _ key: String, _ value: [UInt8], _ budget: Int, as field: String, _ truncated: inout [String],
        keep: JSONWriter.Keep = .headAndTail
    ) {
        let (bytes, wasCut) = JSONWriter.cut(value, budget: budget, keep: keep)
        if wasCut { truncated.append(field) }
        if budget > 0 { json.string(key, bytes) }
    }
}

extension JSONWriter {
    /// `host`
    mutating func host(of origin: RecordOrigin, tellsAddresses: Bool = false) {
        beginObject("host")
        string("name", origin.hostName)
        if let id = origin.hostID { string("id", id) }
        beginObject("boot")
        string("id", origin.bootID)
        endObject()
        if tellsAddresses, !origin.addresses.isEmpty { strings("ip", origin.addresses) }
        endObject()
    }

    /// `run`, inside of `blockwatch`
    mutating func run(of origin: RecordOrigin) {
        guard let id = origin.runID else { return }
        beginObject("run")
        string("id", id)
        endObject()
    }
}
