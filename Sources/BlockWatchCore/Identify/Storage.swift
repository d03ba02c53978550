/// What the data lies on that a thread waits for inside of a file system, from the top down.
public struct Storage: Sendable, Equatable {
    public struct Layer: Sendable, Equatable {
        /// Its type; empty for a block device opened as such.
        public var fileSystem: String
        /// The block device, or what else has the data: as mount(8) shows it.
        public var source: String
        /// The block device's number as the kernel encodes it; 0 for none.
        public var blockDevice: UInt32
        /// How the server of a FUSE file system is asked for; 0 for none.
        public var fuseDevice: UInt32

        var isLoop: Bool { DeviceNumber.isLoop(blockDevice) }
    }

    /// Behind a loop device, that of its file comes next.
    public var layers: [Layer]

    /// Where the data is in the end.
    var last: Layer? { layers.last }

    static let mostLayers = 4

    init?(_ object: KernelObject) {
        let storage = object.storage
        guard object.family == .mount || object.family == .file else { return nil }
        let isNode = object.isBlockDevice || object.fileSystem == "bdev"
        layers = [
            Layer(
                fileSystem: isNode ? "" : object.fileSystem,
                source: isNode ? String(decoding: object.name, as: UTF8.self) : object.fileSystemSource,
                blockDevice: storage.blockDevice, fuseDevice: storage.fuseDevice)
        ]
    }

    /// By a path into it.
    init?(_ mount: MountTable.Mount) {
        guard let layer = Layer(mount) else { return nil }
        layers = [layer]
    }

    /// The loop device whose file is to be looked for.
    var question: RiskyQuestion? {
        guard let last, last.isLoop, layers.count < Self.mostLayers else { return nil }
        return .loopFile(device: last.blockDevice)
    }

    /// - Parameter answer: to ``question``.
    /// - Returns: false if that leads no further.
    mutating func take(_ answer: RiskyAnswer?) -> Bool {
        guard case .bytes(let bytes)? = answer else { return false }
        let path = bytes.prefix { $0 != UInt8(ascii: "\n") }
        guard let mount = MountTable.mount(ofPath: Array(path), mountinfo: Array(bytes.dropFirst(path.count))),
            let layer = Layer(mount)
        else { return false }
        layers.append(layer)
        return true
    }
}

extension Storage.Layer {
    fileprivate init?(_ mount: MountTable.Mount) {
        guard let device = DeviceNumber.raw(mount.device) else { return nil }
        let isFuse = mount.type == "fuse" || mount.type == "fuseblk" || mount.type.hasPrefix("fuse.")
        self.init(
            fileSystem: mount.type, source: mount.source,
            // those without a block device have the major number 0
            blockDevice: device >> 20 == 0 ? 0 : device, fuseDevice: isFuse ? device : 0)
    }
}
