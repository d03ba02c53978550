import Foundation
import Testing

@testable import BlockWatchCore

/// Reports as a look brings them.
enum Reports {
    /// - Parameters:
    ///   - tid: also the process.
    ///   - behind: who holds it, by their processes.
    static func call(
        _ tid: Int, name: String = "p", on resource: String = "/lock", _ reason: Reason = .lockHeld,
        behind: [Int] = [], role: Holder.Role = .lockHolder, root: Root? = nil, chain: String? = nil,
        seconds: UInt64 = 10, change: (inout CallReport) -> Void = { _ in }
    ) -> CallReport {
        let identity = ProcessIdentity(
            pid: tid, tid: tid, parentPID: 1, innerPID: nil, innerTID: nil, name: Array(name.utf8),
            threadName: Array(name.utf8), executable: nil, commandLine: nil, startWallNanoseconds: 0,
            entityID: "0123456789abcdef", state: "S", userID: 0, userName: "root", cgroupPath: [UInt8(ascii: "/")],
            cgroup: CgroupIdentity(path: "/"))
        let call = BlockedCall(
            id: UInt64(tid), eventID: String(tid), kind: .systemCall, startNanoseconds: 0, startSource: .entry,
            process: identity, call: SystemCall(name: "flock", number: 73, abi: .x86_64, arguments: []),
            resource: Resource(.file, name: Array(resource.utf8), descriptor: 3), stack: [], unresolved: [])
        var report = CallReport(call: call, startWallNanoseconds: 0, durationNanoseconds: seconds * 1_000_000_000)
        var finding = Finding()
        finding.reason = reason
        finding.verdict = reason.verdict
        finding.holders = behind.map { Holder(pid: $0, name: Array("h".utf8), role: role, doing: "sleeping") }
        finding.holderCount = behind.count
        let first = behind.first.map { Root(kind: .process, pid: $0, name: Array("h".utf8), doing: "sleeping") }
        finding.root = (root ?? first).map { .known($0) } ?? .absent
        finding.chainID = chain ?? behind.first.map { "chain\($0)" }
        report.finding = finding
        change(&report)
        return report
    }

    static func deadlock(_ first: Int, _ second: Int) -> [CallReport] {
        let root = Root(kind: .deadlock, doing: "deadlock of 2 threads")
        return [(first, second, "/a"), (second, first, "/b")].map { tid, other, path in
            call(tid, on: path, .cycle, behind: [other], root: root, chain: "circle") {
                $0.finding?.isInDeadlock = true
                $0.finding?.holders[0].verdict = .deadlock
            }
        }
    }
}

@Suite struct `Who waits for whom, as a picture` {
    private func picture(
        _ calls: [CallReport], _ deadlocks: [DeadlockReport] = [], subject: Set<Int> = [], all: Bool = false
    ) -> Picture { Picture(calls: calls, deadlocks: deadlocks, subject: subject, showsIdle: all) }

    /// `from > to`, by titles
    private func edges(_ picture: Picture) -> [String] {
        picture.edges.map { "\(picture.nodes[$0.from].title) > \(picture.nodes[$0.to].title)" }.sorted()
    }

    private func node(_ picture: Picture, _ title: String) throws -> Picture.Node {
        try #require(picture.nodes.first { $0.title == title }, "\(picture.nodes.map(\.title))")
    }

    @Test func `a thread, its object, the holder, up to the root`() throws {
        let root = Root(kind: .process, pid: 3, name: Array("h".utf8), doing: "sleeping")
        let picture = picture([
            Reports.call(1, on: "/one", .peerStuck, behind: [2], root: root, chain: "c"),
            Reports.call(2, on: "/two", behind: [3], chain: "c"),
        ])
        #expect(edges(picture) == ["/one > p[2]", "/two > h[3]", "p[1] > /one", "p[2] > /two"])
        #expect(picture.nodes.filter(\.isRoot).map(\.title) == ["h[3]"])
        #expect(picture.components.map(\.title) == ["h[3], sleeping"])
        #expect(try node(picture, "p[1]").lines == ["flock  10.0s", "stuck: the other end is stuck itself"])
        #expect(try node(picture, "h[3]").facts.map(\.value) == ["h[3], lock holder: sleeping"])
    }

    @Test func `members of a deadlock are red, and so is what they wait for, but not who waits behind`() throws {
        let picture = picture(
            Reports.deadlock(1, 2) + [
                Reports.call(
                    3, on: "/a", .peerStuck, behind: [1], root: Root(kind: .deadlock), chain: "circle")
            ])
        #expect(picture.nodes.filter(\.isInDeadlock).map(\.title).sorted() == ["/a", "/b", "p[1]", "p[2]"])
        #expect(picture.edges.count { $0.isInDeadlock } == 5, "also from the object to its second holder")
        #expect(picture.nodes.count { $0.isRoot } == 0)
        #expect(picture.components.count == 1)
        #expect(picture.components[0].title == "DEADLOCK")
    }

    @Test func `equal siblings are one node, on one object or on many`() throws {
        let one = (10..<47).map { Reports.call($0, name: "php", behind: [3], seconds: UInt64($0)) }
        let first = picture(one)
        #expect(edges(first) == ["/lock > h[3]", "37 × php > /lock"])
        #expect(
            try node(first, "37 × php").lines == [
                "in 37 processes", "flock  10.0s to 46.0s", "stuck: the lock's holder does not move",
            ])
        let many = picture((10..<47).map { Reports.call($0, name: "php", on: "/lock\($0)", behind: [3]) })
        #expect(edges(many) == ["37 × file > h[3]", "37 × php > 37 × file"])
        // another name, another reason, another holder: other nodes
        let others = picture(
            one + [
                Reports.call(50, name: "ruby", behind: [3]), Reports.call(51, name: "php", .lockBusy, behind: [3]),
                Reports.call(52, name: "php", behind: [4]),
            ])
        #expect(others.nodes.count { $0.kind == .thread } == 4)
    }

    @Test func `who is waited for does not fold`() {
        let calls = (10..<20).map { Reports.call($0, name: "php", behind: [3]) }
        let picture = picture(calls + [Reports.call(30, on: "/other", .peerStuck, behind: [12], chain: "chain3")])
        #expect(
            edges(picture) == [
                "/lock > h[3]", "/other > php[12]", "9 × php > /lock", "p[30] > /other", "php[12] > /lock",
            ])
    }

    @Test func `what lines and colours mean is said where there are such`() {
        func legend(_ picture: Picture) -> String {
            String(picture.dot().split(separator: "\n").first { $0.contains("labelloc") } ?? "")
        }
        let lock = legend(picture([Reports.call(1, behind: [2, 3])]))
        #expect(lock.contains("bold: root") && lock.contains("solid: AND"), "\(lock)")
        #expect(!lock.contains("OR") && !lock.contains("red"), "\(lock)")
        #expect(legend(picture([Reports.call(1, behind: [2, 3], role: .writer)])).contains("dashed: OR"))
        #expect(legend(picture(Reports.deadlock(1, 2))).contains("red: deadlock"))
        let page = String(decoding: PicturePage.html(picture([]), svg: []), as: UTF8.self)
        for word in ["AND", "OR", "bold", "red lines", "diamond"] { #expect(page.contains(word)) }
    }

    @Test func `of several holders of a lock all must let go, of a pipe any is enough`() throws {
        let lock = picture([Reports.call(1, behind: [2, 3])])
        #expect(try node(lock, "/lock").needs == .all)
        #expect(try node(lock, "/lock").lines == ["all of 2 must let go"])
        #expect(lock.edges.count { $0.kind == .waits } == lock.edges.count)
        let pipe = picture([Reports.call(1, .peerSleeping, behind: [2, 3], role: .writer)])
        #expect(try node(pipe, "/lock").needs == .any)
        #expect(pipe.edges.count { $0.kind == .any } == 2)
        // one open file that several processes share
        let shared = picture([
            Reports.call(1, behind: [2, 3]) {
                $0.call.resource.lock = LockFields(type: "flock", mode: "write")
                $0.finding?.holders[0].descriptor = 5
                $0.finding?.holders[1].descriptor = 5
            }
        ])
        #expect(try node(shared, "/lock").needs == .any)
    }

    @Test func `of a set the deciding member goes on, the others are told by what they are`() throws {
        let picture = picture([
            Reports.call(1, .replyPending, behind: [2], role: .peer) {
                let names = ["/lock", "a", "b", "c"]
                $0.finding?.members = names.enumerated().map { place, name in
                    SetMember(
                        resource: Resource(
                            place == 0 ? .file : .eventfd, name: Array(name.utf8), descriptor: 3 + place),
                        reason: place == 0 ? .replyPending : .parked)
                }
                $0.finding?.memberCount = 4
            }
        ])
        #expect(
            edges(picture) == ["/lock > h[2]", "any of 4 > /lock", "any of 4 > 3 × eventfd, parked", "p[1] > any of 4"])
    }

    @Test func `who stands in line and waits as well is no holder; another is, dotted`() throws {
        let queued = Holder(pid: 5, tid: 5, name: Array("q".utf8), role: .queued)
        let waiter = Reports.call(1, behind: [2]) { $0.finding?.holders.append(queued) }
        #expect(edges(picture([waiter, Reports.call(5, behind: [2])])) == ["2 × p > /lock", "/lock > h[2]"].sorted())
        let alone = picture([waiter])
        #expect(alone.edges.count { $0.kind == .queued } == 1)
        #expect(try node(alone, "/lock").needs == nil)
    }

    @Test func `a chain through somebody who is not drawn`() {
        let root = Root(kind: .remote, doing: "does not answer", address: "10.0.0.5:3306")
        let picture = picture([Reports.call(1, .peerStuck, behind: [2], root: root, chain: "c")])
        #expect(edges(picture) == ["/lock > h[2]", "h[2] > 10.0.0.5:3306", "p[1] > /lock"])
        #expect(picture.edges.count { $0.kind == .indirect } == 1)
        #expect(picture.nodes.filter(\.isRoot).map(\.title) == ["10.0.0.5:3306"])
    }

    @Test func `the worst first, what does not hang together apart`() {
        let picture = picture(
            [Reports.call(20, on: "/x", .replyPending, behind: [21], role: .peer)]
                + (10..<13).map { Reports.call($0, name: "php", behind: [3]) } + Reports.deadlock(1, 2))
        #expect(picture.components.map(\.title) == ["DEADLOCK of 2 threads", "h[3], sleeping", "h[21], sleeping"])
        #expect(picture.components.map(\.threads) == [2, 3, 1])
    }

    @Test func `of one process: what it is part of, and its own idle threads`() throws {
        let calls = [
            Reports.call(1, behind: [2]), Reports.call(4, on: "/other", behind: [5]),
            Reports.call(2, on: "sleep", .timer), Reports.call(6, on: "else", .timer),
        ]
        let picture = picture(calls, subject: [1])
        #expect(
            edges(picture) == ["/lock > p[2]", "p[1] > /lock", "p[2] > sleep"], "whom it waits for is idle, and drawn")
        #expect(try node(picture, "p[1]").isSubject)
        #expect(self.picture(calls, subject: [99]).components.isEmpty)
        #expect(self.picture(calls).components.count == 2)
    }

    @Test func `what is too much is left out and counted`() {
        let calls = (1...1200).map { Reports.call($0, on: "/l\($0)", behind: [$0 + 10_000]) }
        let picture = picture(calls)
        #expect(picture.nodes.count <= Picture.mostNodes)
        #expect(picture.leftOut == 1200 - picture.components.count)
        #expect(picture.dot().contains("more threads not drawn"))
        // one that is too large by itself
        let chain = (1...1200).map { Reports.call($0, on: "/l\($0)", .peerStuck, behind: [$0 + 1], chain: "c") }
        let part = self.picture(chain)
        #expect(part.nodes.count <= Picture.mostNodes && part.leftOut > 0)
    }
}

@Suite struct `Functions in a picture` {
    private func picture(_ names: [String]) throws -> Picture {
        var bytes = StackBytes.thread(names)[...]
        let stack = try UserStack.thread(from: &bytes).stack
        return Picture(
            calls: [Reports.call(1, name: "web", behind: [2]) { $0.call.userStack = stack }], deadlocks: [])
    }

    @Test func `the innermost eight are told, and only of whom they were asked`() throws {
        let picture = try picture(["read", "Reader::next"] + (1...8).map { "f\($0)" })
        let told = picture.nodes.flatMap(\.facts).filter { $0.name == "in the program" }
        #expect(told.map(\.value) == ["read < Reader::next < f1 < f2 < f3 < f4 < f5 < f6 < …"])
        #expect(picture.dot().contains("in the program: read < Reader::next < f1"))
        let plain = Picture(calls: [Reports.call(1, behind: [2])], deadlocks: [])
        #expect(!plain.dot().contains("in the program"))
    }

    @Test func `a function's name is text, whatever is in it`() throws {
        let evil = `Pictures of hostile names`.evil
        let picture = try picture(["read", evil])
        for line in picture.dot().split(separator: "\n") where line.contains("tooltip=") {
            #expect(!line.unicodeScalars.contains { $0.value < 0x20 })
            let quotes = line.replacing("\\\\", with: "").replacing("\\\"", with: "").count { $0 == "\"" }
            #expect(quotes.isMultiple(of: 2), "\(line)")
        }
        let page = String(decoding: PicturePage.html(picture, svg: Array("<svg></svg>".utf8)), as: UTF8.self)
        #expect(page.components(separatedBy: "<script").count == 3 && !page.contains("alert(1)</"))
    }
}

@Suite struct `Pictures of hostile names` {
    static let evil =
        "</script><script>alert(1)</script>\"];x[label=<b>\\N\\\" &lt;b&gt; `md` %%{init}%%\nend\u{1b}]0;x\u{7}\u{202e}#35; ]])}"

    private let picture = Picture(
        calls: [
            Reports.call(1, name: evil, on: evil, .replyPending, behind: [2], role: .peer) {
                $0.finding?.holders[0].name = Array(evil.utf8)
                $0.finding?.chain = TerminalText.escaped(evil)
                $0.call.process.commandLine = evil
            }
        ], deadlocks: [])

    @Test func `dot: a name is one string, whatever is in it`() throws {
        for line in picture.dot().split(separator: "\n") where line.contains("label=") || line.contains("tooltip=") {
            // strings end where they should: what is outside of them is ours
            var outside = ""
            var isInside = false
            var isEscaped = false
            for character in line {
                if isEscaped {
                    isEscaped = false
                } else if isInside, character == "\\" {
                    isEscaped = true
                } else if character == "\"" {
                    isInside.toggle()
                } else if !isInside {
                    outside.append(character)
                }
            }
            #expect(!isInside && !isEscaped, "\(line)")
            #expect(!outside.contains("script") && !outside.contains("<"), "\(line)")
        }
        #expect(picture.dot().contains("&amp;lt;b"), "Graphviz would decode it")
        #expect(!picture.dot().unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" })
    }

    @Test func `mermaid: nothing of a name but letters, digits and numbers of characters`() {
        let text = picture.mermaid()
        #expect(!text.contains("<script") && !text.contains("`") && !text.contains("%%{"))
        for line in text.split(separator: "\n") where line.contains("(\"") {
            #expect(line.count { $0 == "\"" } == 2, "\(line)")
        }
        #expect(text.contains("#60;"), "<")
    }

    @Test func `json is JSON`() throws {
        let object = try JSONSerialization.jsonObject(with: Data(picture.json())) as? [String: Any]
        let nodes = try #require(object?["nodes"] as? [[String: Any]])
        #expect(nodes.count == 3)
        #expect(picture.json().count { $0 == 10 } == 1, "one line")
    }

    @Test func `html: no name opens or closes an element, and no other script may run`() throws {
        let page = String(decoding: PicturePage.html(picture, svg: Array("<?xml?><svg></svg>".utf8)), as: UTF8.self)
        #expect(page.components(separatedBy: "<script").count == 3, "the data and the page's own")
        #expect(page.components(separatedBy: "</script").count == 3)
        #expect(!page.contains("alert(1)</"))
        #expect(page.contains("default-src 'none'") && page.contains("script-src 'sha256-"))
        #expect(!page.contains("<?xml") && page.contains("<svg></svg>"))
        #expect(!page.contains("http://") && !page.contains("https://"))
        let start = try #require(page.range(of: "id=\"picture\">"))
        let end = try #require(page.range(of: "</script>", range: start.upperBound..<page.endIndex))
        #expect((try? JSONSerialization.jsonObject(with: Data(page[start.upperBound..<end.lowerBound].utf8))) != nil)
    }

    @Test func `the hash that names the page's script`() {
        func hex(_ text: String) -> String { ByteText.hex(SHA256.digest(Array(text.utf8))) }
        #expect(hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(
            hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")
                == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    }
}
