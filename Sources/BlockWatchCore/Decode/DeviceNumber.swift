/// Numbers of devices: the kernel's own encoding, `major << 20 | minor`, and the text that /proc and /sys use.
enum DeviceNumber {
    /// `major:minor`
    static func text(_ raw: UInt32) -> String { "\(raw >> 20):\(raw & 0xfffff)" }

    static func raw(_ text: some StringProtocol) -> UInt32? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let major = UInt32(parts[0]), let minor = UInt32(parts[1]), major < 1 << 12,
            minor < 1 << 20
        else { return nil }
        return major << 20 | minor
    }

    /// Documentation/admin-guide/devices.txt
    static func isLoop(_ raw: UInt32) -> Bool { raw >> 20 == 7 }
}
