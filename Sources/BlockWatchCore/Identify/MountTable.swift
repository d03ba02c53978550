/// `/proc/self/mountinfo`
enum MountTable {
    /// The source of the mount with this `major:minor`.
    static func source(ofDevice device: String, mountinfo: [UInt8]) -> String? {
        let wanted = Array(device.utf8)
        for line in mountinfo.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: " "))
            guard fields.count > 6, fields[2].elementsEqual(wanted) else { continue }
            guard let dash = fields.firstIndex(where: { $0.elementsEqual([UInt8(ascii: "-")]) }),
                dash + 2 < fields.count
            else { continue }
            return String(decoding: fields[dash + 2], as: UTF8.self)
        }
        return nil
    }
}
