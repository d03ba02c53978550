import Foundation
import Testing

@testable import BlockWatchCore

/// What a person reads of a record: `message`, and the line of text on a terminal of 80 columns. Each must name the root and
/// what is waited for.
enum Lines {
    static func check(_ records: [Fields]) {
        for record in records where ["blocked", "still_blocked"].contains(record.action) {
            guard let verdict = record.text("verdict"), verdict != "idle" else { continue }
            let message = record.text("message") ?? ""
            #expect(message.count <= 200, "\(record)")
            // a set that could not be read, or was not because its thread is stopped
            let isRead =
                !record.strings("unresolved").contains { $0.hasPrefix("members=") }
                && record.text("reason") != "stopped"
            #expect(!isRead || !message.contains(" 1 descriptor"), "\(record)")
            guard let line = line(record, width: 80) else {
                Issue.record("replay does not take \(record)")
                continue
            }
            #expect(TerminalText.width(line) <= 80, "\(line)")
            for word in root(record) {
                #expect(message.contains(word), "the root \(word) is not in the message: \(record)")
                #expect(line.contains(word), "the root \(word) is not in the line \(line): \(record)")
            }
            let names = resource(record)
            if !names.isEmpty {
                #expect(names.contains(where: message.contains), "none of \(names) in the message: \(record)")
                #expect(names.contains(where: line.contains), "none of \(names) in the line \(line): \(record)")
            }
        }
    }

    /// As `watch` writes it on a terminal.
    static func line(_ record: Fields, width: Int?) -> String? {
        let contents = RecordedLine.contents(Array(record.line.utf8) + [10])
        guard contents.count == 1, case .success(let recorded) = contents[0],
            let action = Record.Action(rawValue: record.action)
        else { return nil }
        let report = CallReport(recorded: recorded.value)
        var format = TextFormat(usesColor: false, width: width)
        let line = format.line(
            Record(action: action, sequence: 1, wallNanoseconds: 0, body: .call(report)), offsetSeconds: 0)
        return String(decoding: line, as: UTF8.self).trimmingCharacters(in: .newlines)
    }

    /// What must be there whatever the width.
    private static func root(_ record: Fields) -> [String] {
        guard record.text("verdict") != "deadlock" else { return ["deadlock"] }
        if record.text("reason") == "stopped", record["stop"] != nil { return ["stopped"] }
        guard let kind = record.text("root.kind") else { return ["(no root)"] }
        switch kind {
        case "process", "thread": return ["[\(record.integer("root.pid") ?? 0)]"]
        case "remote", "network": return [record.text("root.address") ?? "(no address)"]
        // a mount may lie deep
        case "device": return [TerminalText.escaped(String((record.text("root.name") ?? "(no name)").prefix(8)))]
        default: return [kind]
        }
    }

    /// Any of these says what is waited for: the whole name, either end of it, whom it is connected with; in a page fault
    /// and an exit the step says it.
    private static func resource(_ record: Fields) -> [String] {
        guard let name = record.text("resource.name"), !name.isEmpty else { return [] }
        let kind = record.text("resource.kind") ?? ""
        if record["syscall"] == nil || kind == "page" { return [] }
        let shown = TerminalText.escaped(name)
        // what is left of a name where the root takes the room
        return [
            shown, shown.prefix(2) + "…", String(shown.prefix(4)), String(shown.suffix(4)), String(shown.suffix(3)),
            kind,
        ]
            + [record.text("network.transport")].compactMap(\.self)
    }
}
