/// Anonymous pipes and FIFOs.
enum PipeKind {
    static func resource(_ object: KernelObject, path: [UInt8]?) -> Resource {
        let isAnonymous = object.fileSystem == "pipefs"
        let name = Array("pipe:[\(object.inode)]".utf8)
        var resource = Resource(isAnonymous ? .pipe : .fifo, name: isAnonymous ? name : path ?? object.name)
        let pipe = object.pipe
        resource.pipe = PipeFields(
            inode: object.inode, readers: pipe.readers, writers: pipe.writers, bytes: pipe.bytes,
            capacity: pipe.capacity)
        if !isAnonymous { resource.file = FileKind.fields(object, path: path) }
        return resource
    }
}
