import BlockWatchCapture
import BlockWatchCore

extension CaptureSettings {
    /// Watches only calls that could be written.
    init(
        thresholdNanoseconds: UInt64, trace: Bool, filter: Filter, verdicts: Set<Verdict>,
        ringBytes: UInt32 = defaultRingBytes
    ) {
        func mayAdmit(_ call: SyscallInfo) -> Bool { filter.mayAdmit(call, verdicts: verdicts) }
        let native = SyscallTable.table(for: Host.nativeABI)
        self.init(
            thresholdNanoseconds: thresholdNanoseconds, trace: trace,
            watchedNative: native.kernelBytes(watching: mayAdmit),
            watchedCompat: SyscallTable.table(for: .i386).kernelBytes(watching: mayAdmit),
            isNarrow: native.isNarrow(watching: mayAdmit), ringBytes: ringBytes)
        sending = (native.sending, SyscallTable.table(for: .i386).sending)
    }
}
