import ArgumentParser
import BlockWatchCore
import Glibc

/// Recorded streams by their names, for `replay` and `graph --replay`.
enum RecordingFiles {
    static func moment(_ text: String) throws -> UInt64 {
        guard let moment = Timestamp.nanoseconds(rfc3339: text.utf8) else {
            throw ValidationError("not a time: write for example 2026-03-01T09:05:00Z or 2026-03-01T10:05:00+01:00")
        }
        return moment
    }

    static func validate(_ files: [String]) throws {
        guard files.count(where: { $0 == "-" }) < 2 else {
            throw ValidationError("- is given twice: standard input can be read once")
        }
        guard !files.contains("") else {
            throw ValidationError("an empty file name: name a recorded stream, or - for standard input")
        }
    }

    /// - Returns: what was in them, and what could not be read to its end.
    static func read(_ files: [String], until: UInt64?) -> (recording: Recording, failure: String?) {
        var recording = Recording(until: until)
        let failure = read(files, into: &recording)
        return (recording, failure)
    }

    /// - Returns: what could not be read to its end.
    static func read(_ files: [String], into recording: inout some RecordedLines) -> String? {
        // all of them first: a typo in the last name must not cost an hour of reading
        let inputs = files.map { ($0, descriptor: open($0)) }
        var failure: String?
        for (name, descriptor) in inputs {
            recording.beginFile(name == "-" ? "standard input" : name)
            if let answer = read(descriptor, into: &recording) {
                failure = failure ?? "cannot read \(name) to its end: \(describe(errno: answer)); what was read is told"
            }
            if descriptor != STDIN_FILENO { close(descriptor) }
        }
        return failure
    }

    private static func open(_ name: String) -> Int32 {
        if name == "-" { return STDIN_FILENO }
        let descriptor = unsafe Glibc.open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        var answer = errno
        var status = stat()
        if descriptor >= 0, unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            answer = EISDIR
        }
        guard descriptor >= 0, answer != EISDIR else {
            fail(
                .wrongUsage,
                "cannot open the recording \(name): \(describe(errno: answer)); name files that may be read")
        }
        return descriptor
    }

    /// - Returns: the errno of read(2) if it failed.
    private static func read(_ descriptor: Int32, into recording: inout some RecordedLines) -> Int32? {
        var lines = LineSplitter(limit: RecordedLine.limit)
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            if count <= 0 {
                let answer = errno
                lines.finish { recording.add($0) }
                return count < 0 ? answer : nil
            }
            lines.feed(buffer[..<count]) { recording.add($0) }
        }
    }
}
