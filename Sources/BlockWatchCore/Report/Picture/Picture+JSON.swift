/// For programs that draw by themselves: docs/graph.md has the fields.
extension Picture {
    /// One line.
    public func json() -> [UInt8] {
        var json = JSONWriter(capacity: 1 << 14)
        json.beginObject()
        json.string("title", title)
        json.integer("left_out", leftOut)
        json.beginArray("components")
        for component in components {
            json.beginObject()
            json.string("title", component.title)
            json.integer("threads", component.threads)
            json.strings("nodes", component.nodes.map(Self.name))
            json.endObject()
        }
        json.endArray()
        json.beginArray("nodes")
        for (place, node) in nodes.enumerated() { encode(node, place, &json) }
        json.endArray()
        json.beginArray("edges")
        for edge in edges {
            json.beginObject()
            json.string("from", Self.name(edge.from))
            json.string("to", Self.name(edge.to))
            json.string("kind", edge.kind.rawValue)
            if !edge.label.isEmpty { json.string("label", edge.label) }
            if edge.isInDeadlock { json.bool("deadlock", true) }
            json.endObject()
        }
        json.endArray()
        json.endObject()
        json.newline()
        return json.bytes
    }

    private func encode(_ node: Node, _ place: Int, _ json: inout JSONWriter) {
        json.beginObject()
        json.string("id", Self.name(place))
        json.string("kind", node.kind.rawValue)
        json.string("title", node.title)
        json.strings("lines", node.lines)
        json.integer("count", node.count)
        if let verdict = node.verdict { json.string("verdict", verdict.rawValue) }
        if let reason = node.reason { json.string("reason", reason.rawValue) }
        if let needs = node.needs { json.string("needs", needs.rawValue) }
        if node.isRoot { json.bool("root", true) }
        if node.isInDeadlock { json.bool("deadlock", true) }
        if node.isSubject { json.bool("subject", true) }
        if let host = node.host { json.string("host", host) }
        if let duration = node.durationNanoseconds { json.nanoseconds("duration", duration) }
        for (key, numbers) in [("pids", node.pids), ("tids", node.tids)] where !numbers.isEmpty {
            json.beginArray(key)
            for number in numbers { json.element(number) }
            json.endArray()
        }
        json.beginArray("facts")
        for fact in node.facts {
            json.beginObject()
            json.string("name", fact.name)
            json.string("value", fact.value)
            json.endObject()
        }
        json.endArray()
        json.endObject()
    }
}
