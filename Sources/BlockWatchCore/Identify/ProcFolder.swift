import Glibc

extension ProcFS {
    /// The entries of a folder that are numbers: processes, or the threads of one.
    ///
    /// C function: `readdir`
    ///
    /// - Parameter path: below the root, without a leading slash: `7/task`; empty for the root itself.
    /// - Returns: in the kernel's order; empty where the folder cannot be read.
    public func numbers(in path: String = "") -> [Int32] {
        guard let folder = unsafe opendir("\(root)/\(path)") else { return [] }
        defer { unsafe closedir(folder) }
        var numbers: [Int32] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let number = Int32(name) { numbers.append(number) }
        }
        return numbers
    }
}
