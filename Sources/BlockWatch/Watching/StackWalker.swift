import BlockWatchBPF
import BlockWatchCapture
import BlockWatchCore
internal import CStacks
import Glibc

/// Answers questions for stacks: registers from the kernel before and after, the walk by a ``StackServer`` between. If the
/// thread has been on a processor meanwhile the stack is thrown away.
struct StackWalker {
    private let server: StackServer
    private let holders: Holders
    /// For a thread, and at the most for all of a process.
    private let milliseconds, mostMilliseconds: UInt32
    /// What the walks of a watch may take; `nil` for one look.
    private var allowance: Allowance?
    /// Processes that were late, until when nobody asks for them again.
    private var resting: [Int32: UInt64] = [:]

    private static let rest: UInt64 = 60_000_000_000
    private static let mostResting = 1024

    init(
        server: StackServer, holders: Holders, milliseconds: UInt32, mostMilliseconds: UInt32,
        allowance: Allowance? = nil
    ) {
        self.mostMilliseconds = mostMilliseconds
        self.server = server
        self.holders = holders
        self.milliseconds = milliseconds
        self.allowance = allowance
    }

    private var known = StackCounts()

    /// Since the start.
    var counts: StackCounts {
        var counts = known
        counts.isWorkerBlocked = server.isBlocked
        return counts
    }

    /// C function: `process_vm_readv`, in the worker
    mutating func answer(_ questions: [StackQuestion]) -> [StackQuestion: RiskyAnswer] {
        var answers: [StackQuestion: RiskyAnswer] = [:]
        let processes = Dictionary(grouping: questions) { $0.pid }
        for (pid, threads) in processes.sorted(by: { $0.key < $1.key }) {
            var rest = threads.sorted { $0.tid < $1.tid }[...]
            while !rest.isEmpty {
                let some = Array(rest.prefix(Int(STACKS_MOST_THREADS)))
                rest = rest.dropFirst(some.count)
                for (question, answer) in walk(some, of: pid) { answers[question] = answer }
            }
        }
        return answers
    }

    private mutating func walk(_ questions: [StackQuestion], of pid: Int32) -> [StackQuestion: RiskyAnswer] {
        let now = Clock.now().monotonic
        allowance?.advance(to: now)
        func all(_ answer: RiskyAnswer) -> [StackQuestion: RiskyAnswer] {
            Dictionary(questions.map { ($0, answer) }) { first, _ in first }
        }
        if let until = resting[pid], now < until {
            known.skipped += UInt64(questions.count)
            return all(.timedOut)
        }
        if let allowance, !allowance.isOpen {
            known.skipped += UInt64(questions.count)
            return all(.failed(E2BIG))
        }
        let before = registers(of: questions)
        let still = questions.filter { before[$0.kernelTID].map(Self.isAsleep) ?? false }
            .filter { before[$0.kernelTID]?.switches == $0.switches }
        known.moved += UInt64(questions.count - still.count)
        guard let first = still.first else { return all(.failed(EAGAIN)) }
        let threads = still.compactMap { before[$0.kernelTID].map { Self.thread($0) } }
        let bytes: [UInt8]
        do throws(StackServer.Failure) {
            bytes = try server.walk(
                threads, pid: pid, tid: first.tid, hasLines: first.hasLines,
                milliseconds: min(milliseconds * UInt32(threads.count), mostMilliseconds))
        } catch {
            allowance?.spend(Clock.now().monotonic - now)
            switch error {
            case .late: known.late += UInt64(still.count)
            case .failed: known.failed += UInt64(still.count)
            case .blocked: known.skipped += UInt64(still.count)
            }
            guard error == .late else { return all(error == .blocked ? .timedOut : .failed(EAGAIN)) }
            if resting.count >= Self.mostResting { resting = [:] }
            resting[pid] = Clock.now().monotonic + Self.rest
            return all(.timedOut)
        }
        let after = registers(of: still)
        allowance?.spend(Clock.now().monotonic - now)
        var answers = all(.failed(EAGAIN))
        var rest = bytes[...]
        var done = 0
        for question in still {
            let start = rest.startIndex
            guard let thread = try? UserStack.thread(from: &rest) else { break }
            done += 1
            guard let one = before[question.kernelTID], let other = after[question.kernelTID],
                Self.isSame(one, other)
            else {
                known.moved += 1
                continue
            }
            if thread.errno == 0, !thread.stack.frames.isEmpty { known.taken += 1 } else { known.failed += 1 }
            answers[question] = .bytes(Array(bytes[start..<rest.startIndex]))
        }
        known.failed += UInt64(still.count - done)
        return answers
    }

    private static func isAsleep(_ registers: bw_registers) -> Bool { registers.state != 0 }

    /// It has not been on a processor: not a byte differs.
    private static func isSame(_ one: bw_registers, _ other: bw_registers) -> Bool {
        unsafe withUnsafeBytes(of: one) { one in
            unsafe withUnsafeBytes(of: other) { other in unsafe one.elementsEqual(other) }
        }
    }

    private static func thread(_ registers: bw_registers) -> stacks_thread {
        var thread = stacks_thread()
        thread.tid = Int32(bitPattern: registers.reader_pid)
        thread.is_32_bit = registers.abi == BW_ABI_COMPAT.rawValue ? 1 : 0
        thread.thread_pointer = registers.thread_pointer
        unsafe withUnsafeMutableBytes(of: &thread.values) { to in
            unsafe withUnsafeBytes(of: registers.values) { from in unsafe to.copyMemory(from: from) }
        }
        return thread
    }

    private func registers(of questions: [StackQuestion]) -> [UInt32: bw_registers] {
        let threads = questions.map { (kernel: $0.kernelTID, own: UInt32(bitPattern: $0.tid)) }
        var found: [UInt32: bw_registers] = [:]
        do throws(CaptureError) {
            let bytes = try holders.registers(of: threads)
            let size = MemoryLayout<bw_registers>.size
            for start in stride(from: 0, to: bytes.count - bytes.count % size, by: size) {
                var registers = bw_registers()
                unsafe withUnsafeMutableBytes(of: &registers) { to in
                    unsafe to.copyBytes(from: bytes[start..<start + size])
                }
                found[registers.pid] = registers
            }
        } catch { return [:] }
        return found
    }
}
