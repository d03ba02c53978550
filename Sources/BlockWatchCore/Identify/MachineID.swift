/// A host's identity as systemd and dbus keep it: `host.id`, as Beats and OpenTelemetry use it.
public enum MachineID {
    /// C function: `sd_id128_get_machine`
    ///
    /// - Parameter file: the content of /etc/machine-id.
    /// - Returns: 32 hexadecimal digits; `nil` for anything else, as `uninitialized` of an image that has not been booted.
    public static func text(_ file: [UInt8]) -> String? {
        let line = file.prefix { $0 != UInt8(ascii: "\n") }
        guard line.count == 32, isHexadecimal(line), line.contains(where: { $0 != UInt8(ascii: "0") }) else {
            return nil
        }
        return String(decoding: line, as: UTF8.self)
    }

    static func isHexadecimal(_ bytes: some Sequence<UInt8>) -> Bool {
        bytes.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
                UInt8(ascii: "A")...UInt8(ascii: "F"):
                true
            default: false
            }
        }
    }
}
