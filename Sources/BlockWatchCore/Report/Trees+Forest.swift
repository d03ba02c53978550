extension Trees {
    /// Which call hangs on which.
    struct Forest {
        var children: [Thread?: [Entry]] = [:]

        init(_ calls: [Entry]) {
            let threads = Set(calls.map(\.thread))
            var parents: [Thread: Thread] = [:]
            // members of a circle stand side by side
            for call in calls {
                var parent: Thread?
                let finding = call.report.finding
                if let above = call.above, threads.contains(above), above != call.thread {
                    parent = above
                } else if finding?.verdict != .deadlock, let holder = finding?.holders.first {
                    let thread = Thread(host: call.host, tid: holder.tid ?? holder.pid)
                    if threads.contains(thread), thread != call.thread { parent = thread }
                }
                children[parent, default: []].append(call)
                parents[call.thread] = parent
            }
            // a circle that is no deadlock has no top: it is cut where it was entered
            var reached: Set<Thread> = []
            func reach(_ calls: [Entry]) {
                var todo = calls.map(\.thread)
                while let thread = todo.popLast() {
                    guard reached.insert(thread).inserted else { continue }
                    todo += (children[thread] ?? []).map(\.thread)
                }
            }
            reach(children[nil] ?? [])
            for call in calls where !reached.contains(call.thread) {
                if let parent = parents[call.thread] { children[parent]?.removeAll { $0.thread == call.thread } }
                children[nil, default: []].append(call)
                reach([call])
            }
        }

        /// How many calls hang on a thread, whatever lies between.
        func count(behind thread: Thread) -> Int {
            var todo = [thread]
            var count = 0
            while let next = todo.popLast() {
                let calls = children[next] ?? []
                count += calls.count
                todo += calls.map(\.thread)
            }
            return count
        }

        /// What hangs on any of several threads.
        func calls(behind threads: [Thread?]) -> [Entry] { threads.flatMap { children[$0] ?? [] } }

        func hasCalls(behind thread: Thread) -> Bool { children[thread]?.isEmpty == false }
    }
}
