import BlockWatchCapture
import Glibc

/// CONTRACT, section 1; the numbers are those of sysexits.h.
enum ExitCode: Int32, Sendable {
    case success = 0
    case wrongUsage = 64
    /// This kernel cannot.
    case missingFeature = 69
    case defect = 70
    case cannotWriteOutput = 74
    /// Reading failed midway: EX_IOERR too.
    static let cannotReadInput = cannotWriteOutput
    case missingPrivilege = 77
    case badConfig = 78
}

extension CaptureError {
    var exitCode: ExitCode {
        switch cause {
        case .missingFeature: .missingFeature
        case .missingPrivilege: .missingPrivilege
        case .defect: .defect
        }
    }
}

/// One line on stderr, and the end.
func fail(_ code: ExitCode, _ message: String) -> Never {
    Log(level: .error).error(message)
    exit(code.rawValue)
}
