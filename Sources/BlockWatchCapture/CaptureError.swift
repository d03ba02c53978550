internal import Glibc

/// Why the kernel side could not be started or read: the step, its object, the kernel's answer
/// and the next move.
public struct CaptureError: Error, Sendable, CustomStringConvertible {
    public enum Cause: Sendable {
        /// The kernel lacks something (exit code 69).
        case missingFeature
        /// The process lacks a capability (exit code 77).
        case missingPrivilege
        /// Anything else: a defect of blockwatch or of the object (exit code 70).
        case defect
    }

    public let cause: Cause
    /// For example `load the program on_sys_enter`.
    public let step: String
    /// The kernel's answer, an errno; 0 where there was none.
    public let errno: Int32
    /// What to do about it.
    public let next: String

    public var description: String {
        var text = "cannot \(step)"
        if errno != 0 { text += ": \(describeErrno(errno))" }
        return next.isEmpty ? text : text + "; " + next
    }

    init(_ cause: Cause, step: String, errno: Int32, next: String) {
        self.cause = cause
        self.step = step
        self.errno = errno
        self.next = next
    }

    /// Judges an errno: refused for want of privilege, or a feature that is not there.
    static func answered(_ errno: Int32, step: String, next: String) -> CaptureError {
        switch errno {
        case EPERM, EACCES:
            CaptureError(
                .missingPrivilege, step: step, errno: errno,
                next: "needs CAP_BPF and CAP_PERFMON (or root), run blockwatch doctor")
        default:
            CaptureError(.missingFeature, step: step, errno: errno, next: next)
        }
    }
}

/// C function: `strerror_r`
func describeErrno(_ errno: Int32) -> String {
    var buffer = [UInt8](repeating: 0, count: 128)
    let answer = unsafe buffer.withUnsafeMutableBytes { bytes in
        unsafe strerror_r(errno, bytes.baseAddress!, bytes.count)
    }
    guard answer == 0 else { return "errno \(errno)" }
    return String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self) + " (errno \(errno))"
}
