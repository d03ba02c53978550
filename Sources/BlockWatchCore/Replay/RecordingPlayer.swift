/// A recording as a film: its state at one moment after the other.
public struct RecordingPlayer: Sendable, RecordedLines {
    /// Of lines, in bytes; what lies beyond is counted.
    static let mostBytes = 1 << 30

    private struct Frame: Sendable {
        var at: UInt64
        var line: [UInt8]
    }

    private let filter: Filter
    private var frames: [Frame] = []
    private var bytes = 0
    /// Lines for which there was no room.
    public private(set) var leftOut: UInt64 = 0
    private var recording = Recording()
    /// Of the frames, those that the recording has.
    private var fed = 0
    /// The moment shown, nanoseconds since 1970.
    public private(set) var now: UInt64 = 0

    public init(filter: Filter) { self.filter = filter }

    // MARK: - lines

    public mutating func beginFile(_ name: String) {}

    public mutating func add(_ line: LineSplitter.Line) {
        guard case .whole(let text) = line else { return }
        for case .success(let record) in RecordedLine.contents(text).prefix(1) {
            guard bytes + text.count <= Self.mostBytes else {
                leftOut += 1
                return
            }
            bytes += text.count
            frames.append(Frame(at: record.wallNanoseconds, line: text))
        }
    }

    /// All lines are there.
    public mutating func begin(at moment: UInt64?) {
        // of one moment in the order in which they came
        let order = frames.indices.sorted { (frames[$0].at, $0) < (frames[$1].at, $1) }
        frames = order.map { frames[$0] }
        move(to: moment ?? span.lowerBound)
    }

    // MARK: - time

    public var span: ClosedRange<UInt64> {
        let first = frames.first?.at ?? 0
        return first...max(first, frames.last?.at ?? 0)
    }

    public mutating func move(to moment: UInt64) {
        let moment = min(max(moment, span.lowerBound), span.upperBound)
        if moment < now || fed == 0 {
            recording = Recording()
            recording.beginFile("")
            fed = 0
        }
        now = moment
        while fed < frames.count, frames[fed].at <= moment {
            recording.add(.whole(frames[fed].line))
            fed += 1
        }
    }

    public func moved(byHundredths hundredths: Int) -> UInt64 {
        let length = span.upperBound - span.lowerBound
        let step = length / 100 * UInt64(min(abs(hundredths), 100))
        return hundredths < 0 ? now - min(step, now - span.lowerBound) : now + min(step, span.upperBound - now)
    }

    // MARK: - what is shown

    public func look() -> Top.Look {
        let report = ReplayReport(recording, ReplayReport.Settings(all: true, filter: filter, moment: now))
        let (entries, deadlocks, titles) = report.entries()
        let all = report.hosts.indices.flatMap { entries[$0] ?? [] }
        return Top.Look(all, deadlocks: deadlocks, titles: titles, at: now, span: span)
    }

    /// For the heading: whose recording it is.
    public var hostName: String {
        let hosts = RecordedHost.all(of: recording.runs)
        return hosts.count == 1 ? hosts[0].name : hosts.isEmpty ? "a recording" : "\(hosts.count) hosts"
    }

    public var thresholdNanoseconds: UInt64 {
        recording.runs.lazy.compactMap(\.thresholdNanoseconds).first ?? 1_000_000_000
    }
}

/// What takes the lines of recorded streams.
public protocol RecordedLines {
    mutating func beginFile(_ name: String)
    mutating func add(_ line: LineSplitter.Line)
}

extension Recording: RecordedLines {}
