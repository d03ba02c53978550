import BlockWatchCore
import Glibc
import Synchronization

/// Files that a key asks for: new ones, beside where blockwatch was started, else in /tmp. By a thread of their own, because a
/// file system may never answer.
final class KeptFiles: Sendable {
    /// Opened while that was allowed.
    private let folders: [(descriptor: Int32, name: String)]
    private struct Problem: Error { let text: String }

    private let messages = Mutex<[String]>([])
    private let bell = Bell()

    var descriptor: Int32 { bell.descriptor }

    init() {
        let path: Int32 = 0o10000000  // O_PATH
        folders = [(".", "."), ("/tmp", "/tmp")].compactMap { folder, name in
            let descriptor = unsafe open(folder, path | O_DIRECTORY | O_CLOEXEC)
            return descriptor < 0 ? nil : (descriptor, name)
        }
    }

    /// - Parameter ending: of the name, which no one else has a part in.
    func keep(_ bytes: [UInt8], _ ending: String, at wall: UInt64) {
        work { [self] in
            switch write(bytes, ending, at: wall) {
            case .success(let name): "written to \(name)"
            case .failure(let problem): problem.text
            }
        }
    }

    /// A graph as it is, and drawn where there is something to draw it with.
    func draw(_ dot: [UInt8], with graphviz: Graphviz?, at wall: UInt64) {
        work { [self] in
            switch write(dot, "dot", at: wall) {
            case .failure(let problem): problem.text
            case .success(let name):
                if let graphviz {
                    "written to \(name)\(drawn(dot, graphviz, beside: name, at: wall))"
                } else {
                    "written to \(name); dot -Tsvg, of the package graphviz, draws it"
                }
            }
        }
    }

    private func drawn(_ dot: [UInt8], _ graphviz: Graphviz, beside other: String, at wall: UInt64) -> String {
        guard let svg = try? graphviz.svg(of: dot, isLast: false) else {
            return "; no picture: dot has ended, or took too long"
        }
        switch write(svg, "svg", at: wall) {
        case .success(let name): return " and \(name.dropLast(4) == other.dropLast(4) ? ".svg" : name)"
        case .failure(let problem): return "; \(problem.text)"
        }
    }

    private func work(_ body: @escaping @Sendable () -> String) {
        let started = startDetachedThread { [self] in
            let message = body()
            messages.withLock { $0.append(message) }
            bell.ring()
        }
        guard !started else { return }
        messages.withLock {
            $0.append("cannot start a thread to write the file: raise the limit of processes (ulimit -u)")
        }
        bell.ring()
    }

    func takeMessages() -> [String] {
        _ = bell.take(withinMilliseconds: 0)
        return messages.withLock { messages in
            defer { messages = [] }
            return messages
        }
    }

    /// C function: `openat` with O_CREAT and O_EXCL: nothing that is there is written to, and no link is followed
    ///
    /// - Returns: the file's name.
    private func write(_ bytes: [UInt8], _ ending: String, at wall: UInt64) -> Result<String, Problem> {
        let stamp = Timestamp.rfc3339(seconds: Int64(wall / 1_000_000_000), nanoseconds: 0).prefix(19)
            .filter { $0 != "-" && $0 != ":" }.replacing("T", with: "-")
        var problem = "no folder to write to"
        for folder in folders {
            for number in 1...9 {
                let name = "blockwatch-\(stamp)\(number > 1 ? "-\(number)" : "").\(ending)"
                let file = unsafe openat(
                    folder.descriptor, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
                if file < 0 {
                    problem = describe(errno: errno)
                    if errno == EEXIST { continue }
                    break
                }
                defer { close(file) }
                var offset = 0
                while offset < bytes.count {
                    let count = unsafe bytes.withUnsafeBytes {
                        unsafe Glibc.write(file, $0.baseAddress! + offset, $0.count - offset)
                    }
                    if count < 0, errno == EINTR { continue }
                    if count <= 0 {
                        return .failure(Problem(text: "cannot write \(folder.name)/\(name): \(describe(errno: errno))"))
                    }
                    offset += count
                }
                return .success("\(folder.name)/\(name)")
            }
        }
        return .failure(
            Problem(text: "cannot write a file: \(problem); start top in a folder that may be written to"))
    }
}
