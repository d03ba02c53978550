import Foundation

/// BPF programs, maps and links by id: `prog 12`.
enum Kernel {
    static func ids() async throws -> Set<String> {
        let lister = try Child(Built.programs + "/tracer", ["ids"])
        guard try await lister.exitCode() == 0 else { throw Failure(description: lister.errorText) }
        return Set(lister.lines)
    }

    /// From /proc/PID/fdinfo.
    static func owned(by pid: Int32) throws -> Set<String> {
        let folder = "/proc/\(pid)/fdinfo"
        var found: Set<String> = []
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            // reading what an epoll has in it can hang
            let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/fd/\(name)")
            guard target?.contains("bpf") == true else { continue }
            let text = (try? String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8)) ?? ""
            for line in text.split(separator: "\n") {
                for kind in ["prog", "map", "link"] where line.hasPrefix("\(kind)_id:") {
                    found.insert("\(kind) \(line.dropFirst(kind.count + 4).trimmingCharacters(in: .whitespaces))")
                }
            }
        }
        return found
    }

    /// Programs and links that no process has open.
    static func orphans() async throws -> Set<String> {
        let before = try await ids()
        var owned: Set<String> = []
        for name in try FileManager.default.contentsOfDirectory(atPath: "/proc") {
            if let pid = Int32(name) { owned.formUnion(try self.owned(by: pid)) }
        }
        // what came or went meanwhile is somebody else's
        return try await ids().intersection(before).subtracting(owned).filter { $0.hasPrefix("link") }
    }
}
