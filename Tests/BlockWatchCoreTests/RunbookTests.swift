import Foundation
import Testing

@testable import BlockWatchCore

/// docs/runbook.md, against what it must have a word on.
@Suite struct `The runbook` {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appendingPathComponent(path), encoding: .utf8)
    }

    /// The sections below a heading, by their title.
    private func sections(_ heading: String) throws -> [String: Substring] {
        let text = try Self.text("docs/runbook.md")
        let part = try #require(text.components(separatedBy: "\n## ").first { $0.hasPrefix("\(heading)\n") })
        let sections = part.split(separator: "\n### ").dropFirst().map { section in
            let end = section.firstIndex(of: "\n") ?? section.endIndex
            return (section[..<end].trimmingCharacters(in: ["`"]), section[end...])
        }
        return try Dictionary(sections) { _, _ in throw Twice() }
    }
    private struct Twice: Error {}

    @Test func `it has every alert of the rules and no other, each with its anchor`() throws {
        let rules = try Self.text("packaging/prometheus/blockwatch.rules.yml")
        let alerts = rules.matches(of: /- alert: (\w+)\n/).map { String($0.1) }
        #expect(alerts.count > 10)
        let sections = try sections("Alerts")
        #expect(Set(sections.keys) == Set(alerts))
        for alert in alerts {
            #expect(rules.contains("runbook: docs/runbook.md#\(alert.lowercased())\n"), "\(alert)")
            #expect(
                sections[alert]?.contains("*Look*") == true || sections[alert]?.contains("*Do*") == true, "\(alert)")
        }
    }

    @Test func `it has every reason of the schema and no other, in their order`() throws {
        let schema = try JSONSerialization.jsonObject(with: Data(try Self.text("schema/blockwatch-1.json").utf8))
        let properties = (schema as? [String: Any])?["properties"] as? [String: [String: Any]]
        let reasons = try #require(properties?["reason"]?["enum"] as? [String])
        #expect(Set(reasons) == Set(Reason.allCases.map(\.rawValue)))
        let sections = try sections("Reasons")
        #expect(Set(sections.keys) == Set(reasons))
        for reason in Reason.allCases where reason.verdict != .idle {
            for word in ["*Look*", "*Do*", "*Ignore*"] {
                #expect(sections[reason.rawValue]?.contains(word) == true, "\(reason.rawValue): \(word)")
            }
        }
    }

    @Test func `its ignore rules are understood, each with a name and a reason`() throws {
        let blocks = try Self.text("docs/runbook.md").components(separatedBy: "\n```conf\n").dropFirst().map {
            $0.components(separatedBy: "\n```").first ?? ""
        }
        let config = try ConfigFile(Array(blocks.joined(separator: "\n").utf8))
        #expect(config.entries.isEmpty)
        #expect(config.ignoreRules.count == blocks.count && blocks.count > 9)
        for rule in config.ignoreRules {
            #expect(rule.conditions[.reason]?.isEmpty == false, "\(rule.name)")
            #expect(rule.conditions.count > 1, "\(rule.name)")
        }
    }
}
