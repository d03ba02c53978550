/// What a call waits for: verdict, holders, chain and root; and deadlocks.
extension NDJSON {
    mutating func encode(
        _ finding: Finding, _ victims: Int, _ budget: Budget, _ truncated: inout [String]
    ) {
        json.string("verdict", finding.verdict.rawValue)
        json.string("reason", finding.reason.rawValue)
        if !finding.evidence.isEmpty {
            json.beginArray("evidence")
            for fact in finding.evidence {
                json.element(JSONWriter.cut(Array(fact.utf8), budget: 96, keep: .head).bytes)
            }
            json.endArray()
        }
        if !finding.members.isEmpty {
            if budget.members > 0 {
                json.beginArray("members")
                for member in finding.members.prefix(budget.members) { encode(member) }
                json.endArray()
            }
            if finding.memberCount > budget.members || finding.hasMoreMembers { truncated.append("members") }
        }
        if let first = finding.holders.first {
            json.beginObject("holder")
            json.integer("pid", first.pid)
            if let tid = first.tid { json.integer("tid", tid) }
            json.string("name", first.name)
            json.string("relation", first.role.rawValue)
            json.integer("count", finding.holderCount)
            json.endObject()
            json.beginArray("holders")
            for holder in finding.holders.prefix(budget.holders) { encode(holder) }
            json.endArray()
            if finding.holderCount > budget.holders { truncated.append("holders") }
        }
        if !finding.chain.isEmpty {
            let chain = Array(finding.chain(within: budget.chain).utf8)
            let (bytes, wasCut) = JSONWriter.cut(chain, budget: budget.chain, keep: .headAndTail)
            if wasCut { truncated.append("chain") }
            json.string("chain", bytes)
        }
        if let root = finding.root.value {
            json.beginObject("root")
            json.string("kind", root.kind.rawValue)
            if let pid = root.pid { json.integer("pid", pid) }
            if let name = root.name { json.string("name", JSONWriter.cut(name, budget: 64, keep: .head).bytes) }
            if let doing = root.doing {
                json.string("doing", JSONWriter.cut(Array(doing.utf8), budget: 160, keep: .headAndTail).bytes)
            }
            if let address = root.address {
                json.string("address", JSONWriter.cut(Array(address.utf8), budget: 128, keep: .head).bytes)
            }
            if let id = root.communityID { json.string("community_id", id) }
            json.endObject()
        }
        if case .unknown = finding.root {
            json.beginObject("root")
            json.string("kind", "unknown")
            json.endObject()
        }
        if let id = finding.chainID {
            json.string("chain_id", id)
            json.integer("victims", victims)
        }
    }

    private mutating func encode(_ member: SetMember) {
        let resource = member.resource
        json.beginObject()
        if let descriptor = resource.descriptor { json.integer("fd", descriptor) }
        json.string("kind", resource.kind.rawValue)
        json.string("name", JSONWriter.cut(resource.name, budget: 96, keep: .headAndTail).bytes)
        if let network = resource.network {
            if let state = network.state { json.string("state", state) }
            for (key, endpoint) in [("local", network.local), ("peer", network.peer)] {
                guard let address = endpoint.address else { continue }
                json.beginObject(key)
                json.string("address", address)
                if let port = endpoint.port { json.integer("port", port) }
                json.endObject()
            }
            if let id = network.communityID { json.string("community_id", id) }
            if let retransmits = network.retransmits { json.integer("retransmits", retransmits) }
        }
        json.string("reason", member.reason.rawValue)
        json.endObject()
    }

    private mutating func encode(_ holder: Holder) {
        json.beginObject()
        json.integer("pid", holder.pid)
        if let tid = holder.tid { json.integer("tid", tid) }
        json.string("name", holder.name)
        if let descriptor = holder.descriptor { json.integer("fd", descriptor) }
        if let access = holder.access, !access.isEmpty { json.string("access", access) }
        json.string("relation", holder.role.rawValue)
        if let doing = holder.doing {
            json.string("doing", JSONWriter.cut(Array(doing.utf8), budget: 120, keep: .headAndTail).bytes)
        }
        if let duration = holder.duration { json.nanoseconds("duration", duration) }
        if let verdict = holder.verdict { json.string("verdict", verdict.rawValue) }
        json.endObject()
    }

    mutating func encode(_ report: DeadlockReport, _ budget: Budget) {
        json.string("verdict", Verdict.deadlock.rawValue)
        json.string("reason", Reason.cycle.rawValue)
        json.beginArray("members")
        for member in report.members {
            json.beginObject()
            json.integer("pid", member.pid)
            json.integer("tid", member.tid)
            json.string("name", member.name)
            json.string("syscall", member.call)
            // columns are no bound for bytes: some characters take none
            func cut(_ text: String) -> [UInt8] {
                JSONWriter.cut(Array(text.utf8), budget: min(budget.path, 512) / 4, keep: .headAndTail).bytes
            }
            json.string("wants", cut(member.wants))
            json.strings("holds", member.holds.prefix(budget.holders).map(cut))
            json.nanoseconds("duration", member.duration)
            json.endObject()
        }
        json.endArray()
        if !report.chain.isEmpty {
            json.string(
                "chain", JSONWriter.cut(Array(report.chain.utf8), budget: budget.chain, keep: .headAndTail).bytes)
        }
        json.beginObject("root")
        json.string("kind", Root.Kind.deadlock.rawValue)
        json.endObject()
        if let id = report.chainID {
            json.string("chain_id", id)
            json.integer("victims", report.victims)
        }
    }
}
