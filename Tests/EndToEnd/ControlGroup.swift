import Foundation

/// A control group of the version that this machine has.
struct ControlGroup {
    let path: String
    private let limit: (file: String, value: Int)

    init(_ controller: String, limit: (v1: String, v2: String), _ value: Int) {
        let isUnified = FileManager.default.fileExists(atPath: "/sys/fs/cgroup/cgroup.controllers")
        path = "/sys/fs/cgroup/" + (isUnified ? "" : controller + "/") + "blockwatch-\(UUID().uuidString)"
        self.limit = (isUnified ? limit.v2 : limit.v1, value)
    }

    func make() throws {
        guard mkdir(path, 0o755) == 0 else {
            throw Failure(description: "this machine has no memory controller: mkdir \(path): errno \(errno)")
        }
        try "\(limit.value)".write(toFile: path + "/" + limit.file, atomically: false, encoding: .utf8)
    }

    /// Empty at last: the kernel needs a moment after the last process.
    func remove() {
        for _ in 0..<100 where rmdir(path) != 0 && errno == EBUSY { usleep(20000) }
    }
}
