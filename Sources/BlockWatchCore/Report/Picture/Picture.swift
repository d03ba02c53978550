/// Who waits for whom, as a graph to be drawn: threads, what they wait for, who holds that, up to the roots.
///
/// Pure: made of reports, written by the writers beside. All texts are escaped as for a terminal; what a format obeys is
/// its writer's matter.
public struct Picture: Sendable {
    public struct Node: Sendable {
        public enum Kind: String, Sendable {
            /// A thread, or several that are alike.
            case thread
            /// A process that holds something, of which no thread is drawn.
            case process
            /// What is waited for: a pipe, a lock, a connection.
            case object
            /// Several objects at once, any of which is enough: poll, select, epoll.
            case set
            case remote, network, device, nobody
        }

        public var kind: Kind
        public var title: String
        /// Below the title.
        public var lines: [String] = []
        public var verdict: Verdict?
        public var reason: Reason?
        /// The end of a chain.
        public internal(set) var isRoot = false
        /// A member of a deadlock, or what its members wait for.
        public internal(set) var isInDeadlock = false
        /// Of the process that was asked about.
        public internal(set) var isSubject = false
        /// How many threads or objects it stands for.
        public var count = 1
        public var pids: [Int] = []
        public var tids: [Int] = []
        public var host: String?
        public var durationNanoseconds: UInt64?
        /// What the record says, in words.
        public var facts: [Fact] = []
        /// Of what several hold: whether all must let go, or any is enough.
        public var needs: Needs?
        /// How many hold it.
        public internal(set) var holders = 0
    }

    public struct Fact: Sendable, Equatable {
        public var name, value: String
    }

    public enum Needs: String, Sendable { case all, any }

    public struct Edge: Sendable, Hashable {
        public enum Kind: String, Sendable {
            /// A thread and what it waits for, or an object and who holds it.
            case waits
            /// One of several, any of which is enough.
            case any
            /// Stands in line, and holds nothing.
            case queued
            /// By others that are not drawn.
            case indirect
        }

        /// Places in ``Picture/nodes``.
        public var from, to: Int
        public var kind: Kind
        public var label = ""
        public internal(set) var isInDeadlock = false
    }

    /// Nodes that hang together, and nothing else.
    public struct Component: Sendable {
        public var title: String
        public var nodes: [Int]
        /// Threads in it, folded ones too.
        public var threads: Int
    }

    public internal(set) var nodes: [Node] = []
    public internal(set) var edges: [Edge] = []
    /// The worst first.
    public internal(set) var components: [Component] = []
    /// Of what, when.
    public var title = ""
    /// Threads that found no place.
    public internal(set) var leftOut = 0

    init() {}

    /// Past so many nodes nobody finds anything, and the layout does not end.
    public static let mostNodes = 1000

    /// Something in it is not idle by design.
    public var foundSomething: Bool {
        nodes.contains { $0.kind == .thread && $0.verdict != .idle && $0.verdict != nil }
    }

    /// What stands below the picture, if something is missing in it.
    var note: String? {
        leftOut > 0 ? "\(leftOut) more thread\(leftOut == 1 ? "" : "s") not drawn: narrow it down with filters" : nil
    }

    /// A name by which all formats call a node: nobody else chooses a letter of it.
    static func name(_ node: Int) -> String { "n\(node)" }
}

extension Picture {
    /// Of what is open now.
    ///
    /// - Parameter subject: the process that is asked about: only what it is part of, its own idle threads too.
    public init(
        calls: [CallReport], deadlocks: [DeadlockReport], subject: Set<Int> = [], showsIdle: Bool = false
    ) {
        self.init(
            calls.map { Trees.Entry(report: $0, group: $0.finding?.chainID) }, deadlocks: deadlocks,
            subject: subject, showsIdle: showsIdle)
    }

    init(_ entries: [Trees.Entry], deadlocks: [DeadlockReport], subject: Set<Int>, showsIdle: Bool) {
        var drawing = PictureBuilder(
            entries: PictureBuilder.wanted(entries, subject: subject, showsIdle: showsIdle), subject: subject)
        drawing.draw()
        self = drawing.finished(deadlocks: deadlocks, ofSubject: !subject.isEmpty)
    }
}
