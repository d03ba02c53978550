/// A record of the stream, read back.
public struct RecordedRecord: Sendable {
    public var action: Record.Action
    public var sequence: UInt64
    /// Nanoseconds since 1970, microseconds exact.
    public var wallNanoseconds: UInt64
    /// With its run, but of records that are older than that field.
    public var origin: RecordOrigin
    /// `event.id` of calls and deadlocks.
    public var id: UInt64?
    public var value: JSONValue

    /// Why a line, or a part of it, is no record.
    public enum Refusal: Error, Hashable, Sendable {
        /// Of another program.
        case foreign
        /// It begins like a record and does not end: whoever wrote it was cut off.
        case cutOff
        case malformed
        case tooLong
        /// A field that must be there is not, or has another type.
        case field(String)
        case unknownAction
        /// Of more streams than are kept apart.
        case tooMany

        public var words: String {
            switch self {
            case .foreign: "not of blockwatch"
            case .cutOff: "cut off"
            case .malformed: "no JSON"
            case .tooLong: "longer than \(RecordedLine.limit) bytes"
            case .field(let name): "\(name) is missing or wrong"
            case .unknownAction: "event.action is not known"
            case .tooMany: "of more than \(Recording.mostRuns) runs"
            }
        }
    }

    static let dataset = "blockwatch.calls"

    /// - Throws: what is wrong with it; `foreign` if it is no record at all.
    init(_ value: JSONValue) throws(Refusal) {
        guard value["event", "dataset"]?.string == Self.dataset else { throw .foreign }
        guard let text = value["@timestamp"]?.bytes, let wall = Timestamp.nanoseconds(rfc3339: text) else {
            throw .field("@timestamp")
        }
        guard let name = value["event", "action"]?.string else { throw .field("event.action") }
        guard let action = Record.Action(rawValue: name) else { throw .unknownAction }
        guard let sequence = value["event", "sequence"]?.count, sequence > 0 else { throw .field("event.sequence") }
        self.value = value
        self.action = action
        self.sequence = sequence
        wallNanoseconds = wall
        origin = RecordOrigin(
            hostName: value["host", "name"]?.string ?? "", hostID: value["host", "id"]?.string,
            bootID: value["host", "boot", "id"]?.string ?? "", runID: value["blockwatch", "run", "id"]?.string)
        guard origin.hostName.utf8.count <= 255, origin.hostID?.utf8.count ?? 0 <= 64, origin.bootID.utf8.count <= 64
        else { throw .field("host") }
        guard origin.runID?.utf8.count ?? 0 <= 64 else { throw .field("blockwatch.run.id") }
        switch action {
        case .blocked, .stillBlocked, .returned, .ended, .slow:
            guard let id = Self.identity(value["event", "id"]) else { throw .field("event.id") }
            self.id = id
            guard Self.number(value["process", "pid"]) != nil else { throw .field("process.pid") }
            guard Self.number(value["process", "thread", "id"]) != nil else { throw .field("process.thread.id") }
            if let verdict = value["verdict"] {
                guard verdict.string.flatMap(Verdict.init) != nil else { throw .field("verdict") }
            }
        case .deadlock:
            guard let id = Self.identity(value["event", "id"]) else { throw .field("event.id") }
            self.id = id
        case .loss:
            guard value["loss", "what"]?.string != nil, value["loss", "count"]?.count != nil else {
                throw .field("loss")
            }
        case .stopped:
            guard value["blockwatch", "totals"]?.isObject == true else { throw .field("blockwatch.totals") }
        case .summary, .started, .engine: break
        }
    }

    var verdict: Verdict? { value["verdict"]?.string.flatMap(Verdict.init) }
    var chainID: UInt64? { Self.identity(value["chain_id"]) }

    /// 16 hexadecimal digits.
    static func identity(_ value: JSONValue?) -> UInt64? {
        guard let text = value?.bytes, text.count == 16 else { return nil }
        var id: UInt64 = 0
        for byte in text {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): id = id << 4 | UInt64(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): id = id << 4 | UInt64(byte - UInt8(ascii: "a") + 10)
            default: return nil
            }
        }
        return id
    }

    /// Ids of processes and threads, descriptors.
    static func number(_ value: JSONValue?) -> Int? {
        // the kernel side has 32 bits for them, with a sign or without
        value?.integer.flatMap { (Int64(Int32.min)...Int64(UInt32.max)).contains($0) ? Int($0) : nil }
    }
}

/// What is in one line of a log: records, bare or wrapped by a log shipper, between whatever others have written.
public enum RecordedLine {
    /// In bytes. blockwatch's own lines have 4,080; shippers escape them and put their own fields around.
    public static let limit = 1 << 16
    /// Records are looked for at so many places of a line.
    private static let mostPlaces = 16
    private static let beginning = Array("{\"@timestamp\"".utf8)
    /// Members in which shippers and container runtimes keep the line that they took.
    private static let wrappers = ["log", "MESSAGE", "message", "msg", "line", "_source", "json", "parsed", "data"]

    /// - Returns: nothing for a blank line.
    public static func contents(_ line: [UInt8]) -> [Result<RecordedRecord, RecordedRecord.Refusal>] {
        guard line.contains(where: { $0 > 0x20 }) else { return [] }
        var found: [Result<RecordedRecord, RecordedRecord.Refusal>] = []
        var isForeign = false
        var from = line.firstIndex(of: UInt8(ascii: "{"))
        for _ in 0..<mostPlaces {
            guard let start = from else { break }
            do throws(JSONDocument.Failure) {
                let document = try JSONDocument(line, at: start)
                let content = record(in: document.root, depth: 0)
                if case .failure(.foreign) = content { isForeign = true } else { found.append(content) }
                from = line[document.range.upperBound...].firstIndex(of: UInt8(ascii: "{"))
            } catch {
                // a line that was torn may have the next one behind it
                let next = index(of: beginning, in: line, from: start + 1)
                if isOurs(line, from: start, to: next ?? line.count) {
                    found.append(.failure(error.what == .cutOff || next != nil ? .cutOff : .malformed))
                } else {
                    isForeign = true
                }
                from = next
            }
        }
        return found.isEmpty
            ? [.failure(isForeign || !isOurs(line, from: 0, to: line.count) ? .foreign : .malformed)] : found
    }

    private static func isOurs(_ line: [UInt8], from start: Int, to end: Int) -> Bool {
        line[start...].starts(with: beginning)
            || index(of: Array(RecordedRecord.dataset.utf8), in: line, from: start).map { $0 < end } ?? false
    }

    private static func index(of part: [UInt8], in line: [UInt8], from start: Int) -> Int? {
        guard line.count >= part.count else { return nil }
        var at = start
        while at <= line.count - part.count, let first = line[at...].firstIndex(of: part[0]) {
            if line[first...].starts(with: part) { return first }
            at = first + 1
        }
        return nil
    }

    private static func record(in value: JSONValue, depth: Int) -> Result<RecordedRecord, RecordedRecord.Refusal> {
        guard value.isObject else { return .failure(.foreign) }
        do throws(RecordedRecord.Refusal) { return .success(try RecordedRecord(value)) } catch {
            guard error == .foreign, depth < 2 else { return .failure(error) }
        }
        for key in wrappers {
            guard let inner = value[key] else { continue }
            if inner.isObject {
                guard let document = try? JSONDocument(inner.text) else { continue }
                let content = record(in: document.root, depth: depth + 1)
                if case .failure(.foreign) = content { continue }
                return content
            }
            guard let text = inner.bytes, let start = text.firstIndex(of: UInt8(ascii: "{")) else { continue }
            do throws(JSONDocument.Failure) {
                let content = record(in: try JSONDocument(text, at: start).root, depth: depth + 1)
                if case .failure(.foreign) = content { continue }
                return content
            } catch {
                guard isOurs(text, from: start, to: text.count) else { continue }
                return .failure(error.what == .cutOff ? .cutOff : .malformed)
            }
        }
        return .failure(.foreign)
    }
}
