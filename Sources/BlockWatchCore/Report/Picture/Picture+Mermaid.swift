/// For pages that draw Mermaid: GitHub, GitLab, wikis.
extension Picture {
    public func mermaid() -> String {
        var lines = ["flowchart LR"]
        if !title.isEmpty { lines.insert("%% \(Mermaid.comment(title))", at: 0) }
        if let note { lines.insert("%% \(Mermaid.comment(note))", at: lines.count - 1) }
        var outgoing: [Int: [Int]] = [:]
        for (place, edge) in edges.enumerated() { outgoing[edge.from, default: []].append(place) }
        var styles: [String] = []
        var count = 0
        for (place, component) in components.enumerated() {
            lines.append("  subgraph c\(place)[\"\(Mermaid.escaped(component.title))\"]")
            for node in component.nodes {
                lines.append("    \(Mermaid.node(nodes[node], node))")
                let colors = PictureStyle.colors(nodes[node])
                styles.append(
                    "  style \(Self.name(node)) fill:\(colors.fill),stroke:\(colors.line),color:#000000"
                        + (nodes[node].isRoot ? ",stroke-width:4px,font-weight:bold" : "")
                        + (nodes[node].kind == .nobody ? ",stroke-dasharray:4" : ""))
            }
            for place in component.nodes.flatMap({ outgoing[$0] ?? [] }) {
                let edge = edges[place]
                let arrow = edge.kind == .waits ? "-->" : "-.->"
                let label = edge.label.isEmpty ? "" : "|\"\(Mermaid.escaped(edge.label))\"|"
                lines.append("    \(Self.name(edge.from)) \(arrow)\(label) \(Self.name(edge.to))")
                if edge.isInDeadlock {
                    styles.append("  linkStyle \(count) stroke:\(PictureStyle.deadlockLine),stroke-width:3px")
                }
                count += 1
            }
            lines.append("  end")
        }
        return (lines + styles).joined(separator: "\n") + "\n"
    }

    private enum Mermaid {
        /// Everything that Mermaid, Markdown or HTML could obey by its number: it decodes these itself, last of all.
        static func escaped(_ text: String) -> String {
            var result = ""
            for scalar in TerminalText.escaped(text).unicodeScalars {
                switch scalar {
                case "a"..."z", "A"..."Z", "0"..."9", " ", ".", ",", "/", "-", ":", "_", "=":
                    result.unicodeScalars.append(scalar)
                case _ where scalar.value >= 0x80: result.unicodeScalars.append(scalar)
                default: result += "#\(scalar.value);"
                }
            }
            return result
        }

        /// A comment ends with its line; `%%{` would be a directive.
        static func comment(_ text: String) -> String { escaped(text).replacing("#", with: " ") }

        static func node(_ node: Node, _ place: Int) -> String {
            let text = ([node.title] + node.lines).map(escaped).joined(separator: "<br/>")
            let (open, close) =
                switch node.kind {
                case .thread, .process: ("(", ")")
                case .object: ("[", "]")
                case .set: ("{", "}")
                case .remote, .network: ("{{", "}}")
                case .device: ("[[", "]]")
                case .nobody: ("([", "])")
                }
            return "\(Picture.name(place))\(open)\"\(text)\"\(close)"
        }
    }
}
