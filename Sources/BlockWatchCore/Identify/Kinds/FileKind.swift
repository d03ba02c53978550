/// Regular files, directories, devices, terminals, message queues.
enum FileKind {
    static func resource(_ object: KernelObject, path: [UInt8]?) -> Resource {
        var resource = Resource(kind(of: object), name: path ?? object.name)
        resource.file = fields(object, path: path)
        return resource
    }

    static func kind(of object: KernelObject) -> ResourceKind {
        if object.isDirectory { return .directory }
        if object.fileSystem == "mqueue" { return .ipc }
        if object.isCharacterDevice { return isTerminal(object) ? .tty : .device }
        return object.isBlockDevice ? .device : .file
    }

    /// By major number: Documentation/admin-guide/devices.txt.
    private static func isTerminal(_ object: KernelObject) -> Bool {
        switch object.deviceMajor {
        case 4, 5, 136...143, 204, 229: true
        default: false
        }
    }

    static func fields(_ object: KernelObject, path: [UInt8]?) -> FileFields {
        var file = FileFields()
        file.inode = object.inode
        file.device = object.device
        file.fileSystem = object.fileSystem
        file.isDeleted = object.isDeleted
        file.path = path
        // s_id of a file system without a block device is its own number or name, which says nothing
        if let path, file.isDeleted { file.path = withoutDeletedMark(path) }
        return file
    }

    /// The kernel puts ` (deleted)` behind the last path a file had.
    static func withoutDeletedMark(_ path: [UInt8]) -> [UInt8] {
        let mark = Array(" (deleted)".utf8)
        return path.count > mark.count && path.suffix(mark.count).elementsEqual(mark)
            ? [UInt8](path.dropLast(mark.count)) : path
    }
}
