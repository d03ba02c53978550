/// Calls by name, with counts, times and errors: what `strace -c` gives.
public struct CallTable: Sendable, Equatable {
    public struct Row: Sendable, Equatable {
        public var name: String
        public var abi: ABI
        public var count: UInt64 = 0
        public var errorCount: UInt64 = 0
        public var totalNanoseconds: UInt64 = 0
        public var longestNanoseconds: UInt64 = 0
        public var bytes: UInt64 = 0
        /// By name, the most first.
        public var errors: [(name: String, count: UInt64)] = []

        public static func == (a: Row, b: Row) -> Bool {
            a.name == b.name && a.abi == b.abi && a.count == b.count && a.errorCount == b.errorCount
                && a.totalNanoseconds == b.totalNanoseconds && a.longestNanoseconds == b.longestNanoseconds
                && a.errors.elementsEqual(b.errors) { $0.name == $1.name && $0.count == $1.count }
        }
    }

    /// The longest time first.
    public private(set) var rows: [Row] = []

    public var count: UInt64 { rows.reduce(0) { $0 + $1.count } }
    public var errorCount: UInt64 { rows.reduce(0) { $0 + $1.errorCount } }
    public var totalNanoseconds: UInt64 { rows.reduce(0) { $0 + $1.totalNanoseconds } }
    public var bytesRead: UInt64 { rows.reduce(0) { $0 + (SystemCall.sends(named: $1.name) ? 0 : $1.bytes) } }
    public var bytesWritten: UInt64 { rows.reduce(0) { $0 + (SystemCall.sends(named: $1.name) ? $1.bytes : 0) } }

    public init(_ sums: some Sequence<CallSum>) {
        var found: [Key: Row] = [:]
        var errors: [Key: [String: UInt64]] = [:]
        for sum in sums {
            let key = Key(number: sum.number, abi: sum.abi)
            let info = SyscallTable.table(for: sum.abi)[sum.number]
            var row = found[key] ?? Row(name: info?.name ?? "call \(sum.number)", abi: sum.abi)
            row.count += sum.count
            row.totalNanoseconds += sum.totalNanoseconds
            row.longestNanoseconds = max(row.longestNanoseconds, sum.longestNanoseconds)
            row.bytes += sum.bytes
            if sum.errno != 0, info.map({ CallArguments.isError(-sum.errno, $0) }) ?? true {
                row.errorCount += sum.count
                let name =
                    info.map { CallArguments.result(-sum.errno, $0) } ?? ErrnoNames.name(sum.errno)
                    ?? "errno \(sum.errno)"
                errors[key, default: [:]][name, default: 0] += sum.count
            }
            found[key] = row
        }
        rows = found.map { key, row in
            var row = row
            row.errors = (errors[key] ?? [:]).map { (name: $0.key, count: $0.value) }
                .sorted { ($1.count, $0.name) < ($0.count, $1.name) }
            return row
        }
        rows.sort { ($1.totalNanoseconds, $1.count, $0.name) < ($0.totalNanoseconds, $0.count, $1.name) }
    }

    private struct Key: Hashable {
        var number: Int
        var abi: ABI
    }

    /// - Parameter most: rows; what is left out is counted in a last line.
    /// - Returns: lines of a table, the heading first; none if there was no call.
    public func lines(most: Int = 15) -> [String] {
        guard !rows.isEmpty else { return [] }
        var lines = [Self.line("time", "calls", "errors", "mean", "max", "call")]
        for row in rows.prefix(most) {
            var name = row.abi == .i386 ? "\(row.name) (i386)" : row.name
            if row.errors.count == 1 {
                name += "  \(row.errors[0].name)"
            } else if row.errors.count > 1 {
                name += "  " + row.errors.prefix(3).map { "\($0.name) \($0.count)" }.joined(separator: ", ")
                if row.errors.count > 3 { name += ", ..." }
            }
            lines.append(
                Self.line(
                    TerminalText.duration(nanoseconds: row.totalNanoseconds), String(row.count),
                    row.errorCount == 0 ? "" : String(row.errorCount),
                    TerminalText.duration(nanoseconds: row.totalNanoseconds / max(row.count, 1)),
                    TerminalText.duration(nanoseconds: row.longestNanoseconds), name))
        }
        if rows.count > most {
            let rest = rows[most...]
            lines.append(
                Self.line(
                    TerminalText.duration(nanoseconds: rest.reduce(0) { $0 + $1.totalNanoseconds }),
                    String(rest.reduce(0) { $0 + $1.count }), "", "", "", "\(rest.count) more"))
        }
        if rows.count > 1 {
            lines.append(
                Self.line(
                    TerminalText.duration(nanoseconds: totalNanoseconds), String(count),
                    errorCount == 0 ? "" : String(errorCount), "", "", "in all"))
        }
        return lines
    }

    private static func line(
        _ time: String, _ calls: String, _ errors: String, _ mean: String, _ max: String, _ name: String
    ) -> String {
        let columns = [(time, 8), (calls, 9), (errors, 8), (mean, 8), (max, 8)]
        return "  " + columns.map { TerminalText.padded($0.0, to: $0.1, .right) }.joined(separator: " ") + "  " + name
    }
}
