import BlockWatchCore
internal import CHelper
import Glibc
import Synchronization

/// Graphviz's `dot` as a helper: a process of nobody without a capability, started before blockwatch reads anything of
/// others and before it gives up the right to start one. It gets graphs by a pipe, and pictures come back by another.
final class Graphviz: Sendable {
    struct Failure: Error {
        var code: ExitCode
        var message: String
    }

    private struct Pipes {
        var input, output: Int32
        /// It has ended, or what comes from it can no longer be told apart.
        var isOver = false
    }

    private let pipes: Mutex<Pipes>
    let processID: Int

    /// Of processor time; a graph that takes longer is none that anybody can read.
    private static let mostSeconds: UInt32 = 120
    private static let mostBytes = 256 << 20

    /// - Parameter isLazy: it takes up memory only once the first graph comes.
    init(isLazy: Bool = false) throws(Failure) {
        guard let path = Self.path() else {
            throw Failure(
                code: .missingFeature,
                message:
                    "svg and html are drawn by Graphviz, and there is no dot in PATH: install it (apt-get install graphviz, dnf "
                    + "install graphviz), or take --format dot to another machine")
        }
        var descriptors: (Int32, Int32) = (-1, -1)
        let answer = unsafe Self.withWords(["dot", "-Tsvg"]) { arguments in
            unsafe Self.withWords(["PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"]) { environment in
                unsafe helper_start(
                    path, arguments, environment, Self.mostSeconds, isLazy ? 1 : 0, &descriptors.0, &descriptors.1)
            }
        }
        guard answer > 0 else {
            throw Failure(
                code: .defect,
                message: "cannot start \(path): \(describe(errno: errno)); --format dot needs no other program")
        }
        processID = Int(answer)
        pipes = Mutex(Pipes(input: descriptors.0, output: descriptors.1))
    }

    deinit {
        pipes.withLock { pipes in
            if pipes.input >= 0 { close(pipes.input) }
            close(pipes.output)
        }
    }

    /// The first executable `dot` of PATH; what is relative there is passed over.
    private static func path() -> String? {
        let path = unsafe getenv("PATH").map { unsafe String(cString: $0) } ?? "/usr/local/bin:/usr/bin:/bin"
        for folder in path.split(separator: ":") where folder.hasPrefix("/") {
            let candidate = "\(folder)/dot"
            var status = stat()
            if unsafe stat(candidate, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
                unsafe access(candidate, X_OK) == 0
            {
                return candidate
            }
        }
        return nil
    }

    private static func withWords<Result>(
        _ words: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
    ) -> Result {
        var pointers = unsafe words.map { unsafe strdup($0) } + [nil]
        defer { for index in unsafe pointers.indices { unsafe free(pointers[index]) } }
        return unsafe pointers.withUnsafeMutableBufferPointer { unsafe body(UnsafePointer($0.baseAddress!)) }
    }

    /// One graph after the other; it waits while another one is drawn.
    ///
    /// - Parameter isLast: none will follow.
    /// - Returns: SVG.
    func svg(of dot: [UInt8], isLast: Bool) throws(Failure) -> [UInt8] {
        try pipes.withLock { pipes throws(Failure) in
            guard !pipes.isOver else { throw Self.nothing }
            let svg = Self.exchange(dot, &pipes, isLast: isLast)
            guard Self.isWhole(svg) else {
                pipes.isOver = true
                throw Self.nothing
            }
            return svg
        }
    }

    private static let nothing = Failure(
        code: .defect,
        message:
            "dot drew nothing: it was ended, or takes more than \(mostSeconds) s for this graph; narrow it down with "
            + "filters, or take --format dot to dot itself")

    private static func isWhole(_ svg: [UInt8]) -> Bool {
        let end = Array("</svg>".utf8)
        let tail = svg.suffix(32)
        return tail.indices.contains { tail[$0...].starts(with: end) }
    }

    /// C functions: `poll`, `read`, `write`
    private static func exchange(_ dot: [UInt8], _ pipes: inout Pipes, isLast: Bool) -> [UInt8] {
        var svg: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        var offset = 0
        let deadline = Clock.now().monotonic + UInt64(mostSeconds) * 1_000_000_000
        while Clock.now().monotonic < deadline, svg.count < mostBytes {
            if offset >= dot.count, isLast, pipes.input >= 0 {
                close(pipes.input)
                pipes.input = -1
            }
            var requests = [
                pollfd(fd: pipes.output, events: Int16(POLLIN), revents: 0),
                pollfd(fd: offset < dot.count ? pipes.input : -1, events: Int16(POLLOUT), revents: 0),
            ]
            _ = unsafe poll(&requests, 2, 1000)
            if requests[1].revents != 0 {
                let count = unsafe dot.withUnsafeBytes {
                    unsafe write(pipes.input, $0.baseAddress! + offset, $0.count - offset)
                }
                if count > 0 { offset += count }
                if count < 0, errno != EAGAIN, errno != EINTR { offset = dot.count }
            }
            if requests[0].revents != 0 {
                let count = unsafe read(pipes.output, &chunk, chunk.count)
                if count > 0 { svg += chunk[..<count] }
                if count == 0 || (!isLast && isWhole(svg)) { break }
            }
        }
        return svg
    }
}
