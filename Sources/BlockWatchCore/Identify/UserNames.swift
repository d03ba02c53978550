/// The names in an /etc/passwd text. Parsed here and not asked of the C library, which may ask a server that hangs.
public struct UserNames: Equatable, Sendable {
    private var names: [UInt32: String] = [:]
    private var ids: [String: UInt32] = [:]

    /// - Parameter passwd: the bytes of the file, `name:password:uid:gid:...` lines. Lines that are not that (comments,
    ///   NIS entries, numbers that do not fit) are skipped. The first line wins, as with getpwuid(3).
    public init(passwd: [UInt8]) {
        for line in passwd.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
            guard fields.count >= 4, let initial = fields[0].first,
                initial != UInt8(ascii: "#"), initial != UInt8(ascii: "+"), initial != UInt8(ascii: "-"),
                let wideID = ProcFS.decimal(fields[2]), let id = UInt32(exactly: wideID),
                let group = ProcFS.decimal(fields[3]), group <= UInt64(UInt32.max)
            else { continue }
            let name = String(decoding: fields[0], as: UTF8.self)
            if names[id] == nil { names[id] = name }
            if ids[name] == nil { ids[name] = id }
        }
    }

    /// How many user ids have a name.
    public var count: Int { names.count }

    /// The name of a user id, nil if the file has none.
    public func name(uid: UInt32) -> String? { names[uid] }

    /// The id of a user name, nil if the file has none.
    public func uid(name: String) -> UInt32? { ids[name] }
}
