import BlockWatchCore
internal import CHelper
import Glibc

/// Graphviz's `dot` as a helper: a process of nobody without a capability, started before blockwatch reads anything of
/// others and before it gives up the right to start one. It gets the graph by a pipe, and its picture comes back by another.
final class Graphviz {
    private var input: Int32
    private let output: Int32

    /// Of processor time; a graph that takes longer is none that anybody can read.
    private static let mostSeconds: UInt32 = 120
    private static let mostBytes = 256 << 20

    /// Ends with 69 where there is no `dot`.
    init() {
        guard let path = Self.path() else {
            fail(
                .missingFeature,
                "svg and html are drawn by Graphviz, and there is no dot in PATH: install it (apt-get install graphviz, dnf "
                    + "install graphviz), or take --format dot to another machine")
        }
        var descriptors: (Int32, Int32) = (-1, -1)
        let answer = unsafe Self.withWords(["dot", "-Tsvg"]) { arguments in
            unsafe Self.withWords(["PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"]) { environment in
                unsafe helper_start(
                    path, arguments, environment, Self.mostSeconds, &descriptors.0, &descriptors.1)
            }
        }
        guard answer == 0 else {
            fail(.defect, "cannot start \(path): \(describe(errno: errno)); --format dot needs no other program")
        }
        (input, output) = descriptors
    }

    deinit {
        if input >= 0 { close(input) }
        close(output)
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

    /// - Returns: SVG; ends with 70 if none comes.
    ///
    /// C functions: `poll`, `read`, `write`
    func svg(of dot: [UInt8]) -> [UInt8] {
        var svg: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        var offset = 0
        let deadline = Clock.now().monotonic + UInt64(Self.mostSeconds) * 1_000_000_000
        while Clock.now().monotonic < deadline, svg.count < Self.mostBytes {
            if offset >= dot.count, input >= 0 {
                close(input)
                input = -1
            }
            var requests = [
                pollfd(fd: output, events: Int16(POLLIN), revents: 0),
                pollfd(fd: input, events: Int16(POLLOUT), revents: 0),
            ]
            _ = unsafe poll(&requests, 2, 1000)
            if requests[1].revents != 0 {
                let count = unsafe dot.withUnsafeBytes {
                    unsafe write(input, $0.baseAddress! + offset, $0.count - offset)
                }
                if count > 0 { offset += count }
                if count < 0, errno != EAGAIN, errno != EINTR { offset = dot.count }
            }
            if requests[0].revents != 0 {
                let count = unsafe read(output, &chunk, chunk.count)
                if count > 0 { svg += chunk[..<count] }
                if count == 0 { break }
            }
        }
        let end = Array("</svg>".utf8)
        guard svg.suffix(32).indices.contains(where: { svg[$0...].starts(with: end) }) else {
            fail(
                .defect,
                "dot drew nothing: it was ended, or takes more than \(Self.mostSeconds) s for this graph; narrow it down with "
                    + "filters, or take --format dot to dot itself")
        }
        return svg
    }
}
