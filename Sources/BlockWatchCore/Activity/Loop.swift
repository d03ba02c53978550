/// A round of calls that a thread makes again and again, with what is the same each time.
public struct Loop: Sendable, Equatable {
    public struct Step: Sendable, Equatable {
        public var name: String
        /// What it was on: `127.0.0.1:1`, `/etc/a, /etc/b`.
        public var detail: String?
        /// The same descriptor each time.
        public var descriptor: Int?
        /// What that is: `tcp 127.0.0.1:4242->127.0.0.1:5432`, `pipe:[77]`, a path.
        public var descriptorName: String?
        /// `ECONNREFUSED`, `0`, `12`; where it differs from round to round from the least to the most.
        public var result: String
        public var isError = false
        /// An error that says only "not yet".
        public var isSoft = false
        /// A child's end that it has waited for, instead of the call itself.
        public var child: String?
        public var meanNanoseconds: UInt64
        /// A sleep, or a wait that ended by its own time-out.
        public var isOwnClock = false

        public var text: String {
            if let child { return child }
            var text = name
            if let detail { text += " " + detail }
            if let descriptor, detail == nil {
                text += " fd \(descriptor)" + (descriptorName.map { " (\($0))" } ?? "")
            }
            let isPlain = CallArguments.sleeps.contains(name) && result == "0" || result.isEmpty
            return isPlain ? text : text + " = " + result
        }
    }

    public var steps: [Step]

    /// The descriptors that its steps are on.
    public var descriptors: Set<Int> { Set(steps.compactMap { $0.detail == nil ? $0.descriptor : nil }) }

    /// Says what descriptors are.
    public mutating func name(_ descriptors: [Int: String]) {
        for index in steps.indices {
            if let descriptor = steps[index].descriptor { steps[index].descriptorName = descriptors[descriptor] }
        }
    }

    /// Of the thread, in all the time that was watched.
    public var count: UInt64
    /// `count` is worked out from the sums: not all calls were seen one by one.
    public var isEstimate: Bool
    /// From a round's beginning to the next one's.
    public var roundNanoseconds: UInt64?
    /// A step is made several times in a row, how often differs.
    public var isFolded: Bool
    /// Which part of the calls that say something is in these rounds.
    public var coverage: Double

    /// As calls and results, in order: `connect 127.0.0.1:1 = ECONNREFUSED, then clock_nanosleep 0.5s`.
    public var text: String {
        let most = 8
        var parts = steps.prefix(most).map(\.text)
        if steps.count > most { parts.append("\(steps.count - most) more calls") }
        return parts.joined(separator: ", then ")
    }
}

/// How a child ended: `curl exits with 7`.
public struct ChildEnd: Sendable, Equatable {
    public var text: String
    public var isFailure: Bool

    public init(_ life: ActivityLog.Life, status: Int) {
        text = "\(TerminalText.escaped(life.name)) \(ExitStatus.clause(status))"
        isFailure = status != 0
    }
}

/// Finds the loop of a thread in what was seen of its calls.
struct LoopFinder {
    /// How a call ended, as far as that makes it another one.
    private enum Outcome: Hashable {
        case error(Int64)
        case zero, positive
        case child(String)
    }

    private struct Token: Hashable {
        var number: Int
        var abi: ABI
        var outcome: Outcome
    }

    /// How children ended, by their id.
    let ends: [Int: ChildEnd]

    func loop(of calls: [WatchedCall], sums: [CallSum]) -> Loop? {
        let ordered = CallArguments.withAddresses(calls.sorted { $0.sequence < $1.sequence })
        let spoken = ordered.filter { isSpoken($0) }
        // of a thread that does nothing else these are what it does
        let chosen = spoken.isEmpty ? ordered : spoken
        var numbers: [Token: Int] = [:]
        var runs: [[Int]] = []
        var places: [[WatchedCall]] = []
        var last: UInt64?
        let kept = Set(chosen.map(\.sequence))
        for call in ordered {
            if last.map({ $0 + 1 != call.sequence }) ?? true {
                runs.append([])
                places.append([])
            }
            last = call.sequence
            guard kept.contains(call.sequence) else { continue }
            let token = token(call)
            let number = numbers[token] ?? numbers.count
            numbers[token] = number
            runs[runs.count - 1].append(number)
            places[places.count - 1].append(call)
        }
        guard var rounds = RoundFinder().find(runs) else { return nil }
        // a round ends with the sleep or the wait, where most of its time goes there
        let durations = rounds.pattern.indices.map { step in mean(rounds, step, places) }
        if let longest = durations.indices.max(by: { durations[$0] < durations[$1] }),
            durations[longest] * 2 > durations.reduce(0, +)
        {
            rounds = rounds.ending(with: longest, in: runs)
        }
        return told(rounds, places, sums, isWhole: calls.count == Int(clamping: sums.reduce(0) { $0 + $1.count }))
    }

    private func mean(_ rounds: RoundFinder.Rounds, _ step: Int, _ calls: [[WatchedCall]]) -> UInt64 {
        let all = rounds.places.prefix(1000).map { calls[$0.run][$0.places[step]].durationNanoseconds }
        return all.isEmpty ? 0 : all.reduce(0, +) / UInt64(all.count)
    }

    private func isSpoken(_ call: WatchedCall) -> Bool {
        guard let info = info(call) else { return true }
        // a shell asks for children until there are none
        if CallArguments.waitsForChildren.contains(info.name) { return call.result > 0 }
        return CallArguments.isError(call.result, info) && info.name != "ioctl"
            || !CallArguments.housekeeping.contains(info.name)
    }

    private func info(_ call: WatchedCall) -> SyscallInfo? { SyscallTable.table(for: call.abi)[call.number] }

    private func token(_ call: WatchedCall) -> Token {
        let outcome: Outcome
        if let info = info(call), CallArguments.waitsForChildren.contains(info.name), let end = ends[Int(call.result)] {
            outcome = .child(end.text)
        } else if (-4095..<0).contains(call.result) {
            outcome = .error(-call.result)
        } else {
            outcome = call.result == 0 ? .zero : .positive
        }
        return Token(number: call.number, abi: call.abi, outcome: outcome)
    }

    private func told(
        _ rounds: RoundFinder.Rounds, _ calls: [[WatchedCall]], _ sums: [CallSum], isWhole: Bool
    ) -> Loop {
        let seen = rounds.places.prefix(1000)
        let steps = rounds.pattern.indices.map { step in
            self.step(seen.map { calls[$0.run][$0.places[step]] })
        }
        var lengths: [UInt64] = []
        for (one, next) in zip(rounds.places, rounds.places.dropFirst()) where one.run == next.run {
            let (start, end) = (calls[one.run][one.places[0]], calls[next.run][next.places[0]])
            lengths.append(end.startNanoseconds - min(start.startNanoseconds, end.startNanoseconds))
        }
        lengths.sort()
        var loop = Loop(
            steps: steps, count: UInt64(rounds.places.count), isEstimate: false,
            roundNanoseconds: lengths.isEmpty ? nil : lengths[lengths.count / 2], isFolded: rounds.isFolded,
            coverage: rounds.coverage)
        if !isWhole, let first = rounds.places.first {
            let pattern = first.places.map { calls[first.run][$0] }
            if let count = estimate(pattern, sums, isFolded: rounds.isFolded), count > loop.count {
                loop.count = count
                loop.isEstimate = true
            }
        }
        return loop
    }

    /// How many rounds the sums allow: as many as the rarest of its calls.
    private func estimate(_ pattern: [WatchedCall], _ sums: [CallSum], isFolded: Bool) -> UInt64? {
        var needed: [Token: UInt64] = [:]
        for call in pattern { needed[token(call), default: 0] += 1 }
        return needed.compactMap { token, times -> UInt64? in
            let alike = sums.filter { $0.number == token.number && $0.abi == token.abi }
            switch token.outcome {
            case .error(let errno): return alike.reduce(0) { $0 + ($1.errno == errno ? $1.count : 0) } / times
            case .zero: return alike.reduce(0) { $0 + ($1.errno == 0 ? $1.zeros : 0) } / times
            case .positive: return alike.reduce(0) { $0 + ($1.errno == 0 ? $1.count - $1.zeros : 0) } / times
            case .child: return nil
            }
        }.min()
    }

    /// One step, from what it was in each of the rounds.
    private func step(_ calls: [WatchedCall]) -> Loop.Step {
        let first = calls[0]
        let total = calls.reduce(0) { $0 + $1.durationNanoseconds }
        guard let info = info(first) else {
            return Loop.Step(
                name: "call \(first.number)", result: String(first.result), meanNanoseconds: total / UInt64(calls.count)
            )
        }
        let soft: Set<String> = ["EAGAIN", "EINTR", "ETIMEDOUT", "EINPROGRESS", "EALREADY", "interrupted", "ETIME"]
        let (name, result) = CallArguments.telling(first, info)
        var step = Loop.Step(
            name: name, result: result,
            isError: CallArguments.isError(first.result, info), meanNanoseconds: total / UInt64(calls.count))
        step.isSoft = soft.contains(result)
        step.detail = details(calls, info)
        if step.detail == nil, CallArguments.sleeps.contains(info.name) {
            // until a moment, which is another one each time
            step.detail = CallArguments.span(rounded(step.meanNanoseconds))
        }
        let descriptors = Set(calls.map { CallArguments.descriptor($0, info) })
        if descriptors.count == 1, let only = descriptors.first { step.descriptor = only }
        if !step.isError, first.result > 0 {
            let results = calls.map(\.result)
            let (least, most) = (results.min() ?? 0, results.max() ?? 0)
            // what opens something gives back its number
            let isHandle = info.class == .path || info.name.hasPrefix("accept") || info.name.hasPrefix("clone")
            step.result = least == most || isHandle ? String(first.result) : "\(least) to \(most)"
        }
        if CallArguments.waitsForChildren.contains(info.name), let end = ends[Int(first.result)] {
            step.child = end.text
            step.isError = end.isFailure
        }
        step.isOwnClock =
            CallArguments.sleeps.contains(info.name) && first.result == 0
            || CallArguments.sets.contains(info.name) && first.result == 0
            || info.name.hasPrefix("futex") && result == "ETIMEDOUT"
        return step
    }

    /// To two digits.
    private func rounded(_ nanoseconds: UInt64) -> UInt64 {
        var unit: UInt64 = 1
        while nanoseconds / unit >= 100 { unit *= 10 }
        return (nanoseconds + unit / 2) / unit * unit
    }

    private func details(_ calls: [WatchedCall], _ info: SyscallInfo) -> String? {
        var different: [String] = []
        for call in calls {
            guard let detail = CallArguments.detail(call, info), !different.contains(detail) else { continue }
            different.append(detail)
            if different.count > 50 { break }
        }
        switch different.count {
        case 0: return nil
        case 1...3: return different.joined(separator: ", ")
        default: return "\(different[0]) and \(different.count > 50 ? "many" : String(different.count - 1)) others"
        }
    }
}
