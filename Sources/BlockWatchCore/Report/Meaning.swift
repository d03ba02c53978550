/// What verdicts and reasons mean, for `explain --verdict` and docs/verdicts.md, which has the same paragraphs.
public enum Meaning {
    /// - Parameter name: of a verdict or reason, or `all`.
    /// - Returns: paragraphs as lines; `nil` where nothing has that name.
    public static func lines(of name: String) -> [String]? {
        if name == "all" { return Verdict.allCases.flatMap { paragraphs(of: $0) + [""] }.dropLast() }
        if let verdict = Verdict(rawValue: name) { return paragraphs(of: verdict) }
        return Reason(rawValue: name).map {
            ["\($0.verdict.rawValue) \($0.rawValue): \($0.words).", paragraph(of: $0)]
        }
    }

    private static func paragraphs(of verdict: Verdict) -> [String] {
        var lines = ["\(verdict.rawValue): \(text(verdict))"]
        for reason in Reason.allCases where reason.verdict == verdict || reason == .unknown && verdict == .waiting {
            lines += ["", "\(verdict.rawValue) \(reason.rawValue): \(reason.words).", paragraph(of: reason)]
        }
        return lines
    }

    public static func text(_ verdict: Verdict) -> String {
        switch verdict {
        case .deadlock: "it is proven that these threads wait for each other and that none can ever go on."
        case .stuck: "there is evidence that it cannot go on by itself; somebody must do something."
        case .waiting:
            "it waits for somebody, and nothing says whether that one will come, or what would say so could not be read."
        case .busy: "it waits for somebody who is visibly at work. It is told after --busy-after, a minute."
        case .idle: "it waits for work, as programs are meant to. It is told with --all."
        }
    }

    /// What it means, what it stands on, and what to look at next.
    public static func paragraph(of reason: Reason) -> String {
        switch reason {
        case .cycle:
            "Each thread of the set holds what the next one wants, and there is no time-out, clock or other way out. It was seen twice, unchanged. "
                + "Ending one member lets the others go on; which locks were taken in which order is for the programs to mend."
        case .connectUnanswered:
            "The connection is asked for (SYN_SENT) and the other side has not answered, not even with a refusal. The host is down, a firewall drops the packets, or "
                + "the route is wrong. Look at the address at the root: ping it, and ask there with ss -tln whether somebody listens."
        case .connectBacklogFull:
            "A process on this host listens there, but as many connections wait for it already as it lets wait: it does not accept. "
                + "Look at the listener with blockwatch explain PID; a larger backlog only hides it."
        case .notAccepted:
            "The kernel has connected it, but the program that listens has never taken the connection (accept). Look at what that program does instead: blockwatch explain PID."
        case .lockHeld:
            "A file lock or mutex is held by somebody who has not moved since the wait began: blocked, asleep or stopped. The root says who is at the end of that; "
                + "lslocks shows file locks."
        case .ownerGone:
            "The lock's owner has died or was never of this process, and nobody else can let go of it. End what waits for it; a System V semaphore can be set by hand (ipcs -s)."
        case .peerGone:
            "Nobody, or only the waiter itself, has the other end open, so that nothing will ever come. A write end that was left open in the reader is a usual cause; "
                + "of a FIFO nobody has opened the other end."
        case .peerStuck:
            "Whoever holds the other end is there, but stuck, stopped or frozen. The root is where to look: the links between suffer as well."
        case .sendStalled:
            "Bytes have been sent and are not taken: the reader does not read (full pipe, zero window, a terminal stopped with Ctrl-S), or, with root network, "
                + "they are sent again and again and not acknowledged. Of the first look at the reader, of the second at the way between: firewall, route, MTU."
        case .kernelStuck:
            "It is in the kernel and cannot be interrupted, or waits for a file system that does not answer, and nothing moves: no processor time, no request completed by the disk, "
                + "no answer of the NFS or FUSE server. The root names device, mount or server; dmesg often says more. kill -9 does not help as long as the thread is in state D."
        case .stopped:
            "It was stopped by a signal, a tracer or its cgroup's freezer, or wants its terminal from the background. "
                + "kill -CONT lets it go on after SIGSTOP; fg brings back a job that wants its terminal; a frozen cgroup is thawed in its cgroup.freeze."
        case .overdue:
            "It is past the time-out that it gave itself, by a second and a tenth of it. The kernel should have woken it long ago: a sick host, a clock that was set, or a thread that gets no processor time."
        case .replyPending:
            "It has sent a request, and since then nothing has come back; or neither side has sent a byte yet. Whoever is at the other end works on it, has lost it, or never got it: look there."
        case .peerSleeping:
            "The other end is alive and sleeps on a clock. It may go on by itself when that has run down; whether that is meant only its program knows."
        case .peerWaiting:
            "Whoever holds the other end waits for somebody itself, without evidence that it will be for ever. The root is the last one in line."
        case .unknown:
            "Nothing is known about the other side, or what would decide could not be read: unresolved says what and why (not_permitted, timed_out, process_gone, too_many, not_recorded). "
                + "What is not known is not called idle. With not_permitted start blockwatch with CAP_SYS_PTRACE; blockwatch doctor says what is missing."
        case .peerBusy:
            "The thread that serves the other end runs, or moves bytes there. It takes its time; look at what it does with top or perf if that is too long."
        case .lockBusy:
            "The lock's holder runs, so that it may let go of it at any moment. Many who wait behind one busy lock are contention, no hang."
        case .inProgress:
            "Its own bytes or I/O move: a slow disk completes requests, a copy goes on, a FUSE server answers. Slow is not stuck."
        case .listening: "It waits for a client to connect, or for its turn to accept one."
        case .awaitingRequest:
            "It is the server's side of a connection on which nothing is outstanding: the client's turn."
        case .awaitingInput: "It waits for a terminal, a signal, a device or a file to say something."
        case .timer: "It sleeps, or waits for a clock of its own."
        case .awaitingChild:
            "It waits for a child process that is not stuck itself. Look at the child if it should have ended."
        case .parked:
            "It waits in memory of its own for another thread to wake it: a condition variable, a queue of work, a thread pool. Locks of the JVM, Go or Rust look the same: "
                + "the kernel does not know their owners; jstack, py-spy or gdb do."
        case .eventLoop: "It waits for many things at once (poll, select, epoll), and none of them is suspicious."
        case .peerIdle: "The other end is idle by design itself, as in tail -f x | grep y."
        }
    }
}
