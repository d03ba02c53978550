/// What was seen of some processes while somebody watched, as it came.
public struct ActivityLog: Sendable {
    /// A process from its beginning, or from when the watch began, to its end.
    public struct Life: Sendable, Equatable {
        public var pid, kernelPID, parentPID: Int
        public var name, parentName: [UInt8]
        /// CLOCK_MONOTONIC, nanoseconds; `nil`: it was there before.
        public var bornNanoseconds: UInt64?
        public var exitedNanoseconds: UInt64?
        /// As wait(2) has it.
        public var status: Int?
        public var processorNanoseconds: UInt64 = 0
        /// It is what was asked for, not something that this has started.
        public var isNamed: Bool
        /// Its calls are summed up by thread, not by name.
        public var isApart = true
        /// Whose sums its calls are in, where they are summed up by name.
        public var who: UInt64 = 0

        public init(pid: Int, kernelPID: Int, name: [UInt8]) {
            self.pid = pid
            self.kernelPID = kernelPID
            self.name = name
            parentPID = 0
            parentName = []
            isNamed = true
        }

        init(_ event: LifeEvent) {
            self.init(pid: event.pid, kernelPID: event.kernelPID, name: event.name)
            parentPID = event.parentPID
            parentName = event.parentName
            bornNanoseconds = event.nowNanoseconds
            isNamed = event.isNamed
            isApart = !event.isFolded
            who = event.who
        }
    }

    public private(set) var lives: [Life] = []
    /// By thread.
    public private(set) var calls: [Int: [WatchedCall]] = [:]
    public private(set) var samples: [ProcessorSample] = []
    /// Calls that came one by one and were not kept: there were too many.
    public private(set) var callsLeftOut = 0

    /// Calls kept, of all threads together; a tenth more than a thread that is busy throughout makes in half a minute.
    static let mostCalls = 100_000
    /// Processes that came and went.
    static let mostLives = 50_000
    static let mostSamples = 100_000
    private var callCount = 0
    /// Of a process that has not ended, by its id.
    private var current: [Int: Int] = [:]

    public init() {}

    /// A process that was there before.
    public mutating func watch(_ life: Life) {
        current[life.pid] = lives.count
        lives.append(life)
    }

    public mutating func note(_ record: ActivityRecord) {
        switch record {
        case .call(let call):
            guard callCount < Self.mostCalls else { return callsLeftOut += 1 }
            callCount += 1
            calls[call.tid, default: []].append(call)
        case .sample(let sample):
            if samples.count < Self.mostSamples { samples.append(sample) }
        case .life(let event):
            note(event)
        }
    }

    private mutating func note(_ event: LifeEvent) {
        switch event.kind {
        case .born:
            guard lives.count < Self.mostLives else { return }
            watch(Life(event))
        case .named:
            guard let place = current[event.pid] else { return }
            lives[place].name = event.name
            lives[place].who = event.who
            if event.isNamed { lives[place].isNamed = true }
        case .exited:
            guard let place = current.removeValue(forKey: event.pid) else { return }
            lives[place].exitedNanoseconds = event.nowNanoseconds
            lives[place].status = event.status
            lives[place].name = event.name
            lives[place].processorNanoseconds = event.processorNanoseconds
            lives[place].parentName = event.parentName
            lives[place].parentPID = event.parentPID
        }
    }

    /// A process is not there any more, and nobody saw how it ended.
    public mutating func noteGone(pid: Int, at nanoseconds: UInt64) {
        guard let place = current.removeValue(forKey: pid) else { return }
        lives[place].exitedNanoseconds = nanoseconds
    }

    /// Nobody who was asked for is there any more.
    public var isEverybodyGone: Bool { !lives.contains { $0.isNamed && $0.exitedNanoseconds == nil } }
}

/// Which end of a process a status is, as wait(2) has it.
public enum ExitStatus {
    /// `exit status 1`, `killed by SIGSEGV`
    public static func text(_ status: Int) -> String {
        let signal = status & 0x7f
        if signal == 0 { return "exit status \(status >> 8 & 0xff)" }
        return "killed by \(name(signal: signal))\(status & 0x80 != 0 ? ", core dumped" : "")"
    }

    /// `exits with 1`, `is killed by SIGSEGV`
    public static func clause(_ status: Int) -> String {
        let signal = status & 0x7f
        return signal == 0 ? "exits with \(status >> 8 & 0xff)" : "is killed by \(name(signal: signal))"
    }

    static func name(signal: Int) -> String { names[signal] ?? "signal \(signal)" }

    private static let names = [
        1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 5: "SIGTRAP", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE",
        9: "SIGKILL", 10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM",
        16: "SIGSTKFLT", 24: "SIGXCPU", 25: "SIGXFSZ", 27: "SIGPROF", 29: "SIGIO", 31: "SIGSYS",
    ]
}
