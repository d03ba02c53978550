import Glibc

/// Everything to stdout; a reader that goes away is no error.
func printOut(_ text: String) { printOut(Array(text.utf8)) }

func printOut(_ bytes: [UInt8]) {
    signal(SIGPIPE, SIG_IGN)
    var offset = 0
    while offset < bytes.count {
        let count = unsafe bytes.withUnsafeBytes {
            unsafe write(STDOUT_FILENO, $0.baseAddress! + offset, $0.count - offset)
        }
        if count >= 0 {
            offset += count
        } else if errno == EPIPE {
            exit(ExitCode.success.rawValue)
        } else if errno != EINTR {
            fail(.cannotWriteOutput, "cannot write to stdout: \(describe(errno: errno)); name a place with room")
        }
    }
}

/// Writes all of it, or ends with 74; a reader that has gone is no failure.
func printLines(_ lines: [String]) {
    printOut(lines.map { $0 + "\n" }.joined())
}
