/// For Graphviz.
extension Picture {
    /// - Returns: a digraph, its components as clusters.
    public func dot() -> String {
        var lines = [
            "digraph blockwatch {",
            "  graph [rankdir=LR, nodesep=0.15, ranksep=0.45, fontname=\"Helvetica\", fontsize=11,",
            "    labelloc=t, labeljust=l, label=\(DOT.quoted([title, note ?? "", legend].filter { !$0.isEmpty }))]",
            "  node [shape=box, style=\"rounded,filled\", margin=\"0.12,0.06\", fontname=\"Helvetica\", fontsize=10]",
            "  edge [fontname=\"Helvetica\", fontsize=9, color=\"\(PictureStyle.line)\", arrowsize=0.7]",
        ]
        var outgoing: [Int: [Edge]] = [:]
        for edge in edges { outgoing[edge.from, default: []].append(edge) }
        // from left to right the first stands lowest
        for (place, component) in components.enumerated().reversed() {
            lines.append("  subgraph cluster_\(place) {")
            lines.append(
                "    graph [style=\"rounded\", color=\"#d0d0d0\", margin=10, label=\(DOT.quoted([component.title]))]")
            for node in component.nodes {
                lines.append("    \(Self.name(node)) [\(DOT.attributes(nodes[node], node))]")
            }
            for edge in component.nodes.flatMap({ outgoing[$0] ?? [] }) {
                lines.append(
                    "    \(Self.name(edge.from)) -> \(Self.name(edge.to)) [\(DOT.attributes(edge))]")
            }
            lines.append("  }")
        }
        return lines.joined(separator: "\n") + "\n}\n"
    }

    /// What of it is not said by words.
    private var legend: String {
        var words: [String] = []
        if nodes.contains(where: \.isRoot) { words.append("bold: root") }
        if edges.contains(where: \.isInDeadlock) { words.append("red: deadlock") }
        if nodes.contains(where: { $0.needs == .all }) { words.append("all of them, solid: AND") }
        if edges.contains(where: { $0.kind == .any }) { words.append("dashed: OR, any of these is enough") }
        if edges.contains(where: { $0.kind == .queued }) { words.append("dotted: in line before it") }
        return words.joined(separator: "; ")
    }

    private enum DOT {
        /// Lines as one quoted string. Graphviz obeys backslashes and decodes `&amp;` in it.
        static func quoted(_ lines: [String]) -> String {
            let text = lines.map { line in
                var text = ""
                for character in TerminalText.escaped(line).unicodeScalars {
                    switch character {
                    case "\\": text += "\\\\"
                    case "\"": text += "\\\""
                    case "&": text += "&amp;"
                    default: text.unicodeScalars.append(character)
                    }
                }
                return text
            }
            return "\"" + text.joined(separator: "\\n") + "\""
        }

        static func attributes(_ node: Node, _ place: Int) -> String {
            let colors = PictureStyle.colors(node)
            var attributes = [
                "id=\"\(Picture.name(place))\"", "label=\(quoted([node.title] + node.lines))",
                "fillcolor=\"\(colors.fill)\"", "color=\"\(colors.line)\"",
                "tooltip=\(quoted(node.facts.isEmpty ? [node.title] : node.facts.map { "\($0.name): \($0.value)" }))",
            ]
            switch node.kind {
            case .thread, .process: break
            case .object: attributes += ["shape=box", "style=\"filled\""]
            case .set: attributes += ["shape=diamond", "style=\"filled\"", "margin=\"0.02,0.02\""]
            case .remote, .network: attributes += ["shape=hexagon", "style=\"filled\""]
            case .device: attributes += ["shape=box3d", "style=\"filled\""]
            case .nobody: attributes += ["shape=octagon", "style=\"filled,dashed\""]
            }
            if node.isRoot { attributes += ["penwidth=3", "fontname=\"Helvetica-Bold\""] }
            if node.isSubject { attributes.append("peripheries=2") }
            return attributes.joined(separator: ", ")
        }

        static func attributes(_ edge: Edge) -> String {
            var attributes: [String] = []
            if !edge.label.isEmpty { attributes.append("label=\(quoted([edge.label]))") }
            switch edge.kind {
            case .waits: break
            case .any, .indirect: attributes.append("style=dashed")
            case .queued: attributes.append("style=dotted")
            }
            if edge.kind == .indirect { attributes.append("arrowhead=empty") }
            if edge.isInDeadlock { attributes += ["color=\"\(PictureStyle.deadlockLine)\"", "penwidth=2"] }
            return attributes.joined(separator: ", ")
        }
    }
}
