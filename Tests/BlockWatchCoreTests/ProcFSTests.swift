import Foundation
import Testing

@testable import BlockWatchCore

/// A tree that has the shape of /proc, deleted with its owner.
private final class FixtureTree {
    let root: String

    init() throws {
        root = NSTemporaryDirectory() + "blockwatch-procfs-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    func file(_ path: String, _ bytes: [UInt8]) throws {
        let full = root + "/" + path
        try FileManager.default.createDirectory(
            atPath: (full as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(bytes).write(to: URL(fileURLWithPath: full))
    }

    func file(_ path: String, _ text: String) throws { try file(path, Array(text.utf8)) }

    /// The target as bytes, which FileManager would refuse.
    func link(_ path: String, _ target: [UInt8]) throws {
        let full = root + "/" + path
        try FileManager.default.createDirectory(
            atPath: (full as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        let result = (target.map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer {
            symlink($0.baseAddress!, full)
        }
        try #require(result == 0)
    }

    func link(_ path: String, _ target: String) throws { try link(path, Array(target.utf8)) }
}

struct ProcFSTests {
    private let tree: FixtureTree
    private let proc: ProcFS

    init() throws {
        tree = try FixtureTree()
        proc = ProcFS(root: tree.root)
    }

    private func stat(name: String) -> String {
        // pid (comm) state ppid ... 22 starttime ...
        let middle = (5...21).map { String($0) }.joined(separator: " ")
        return "7 (\(name)) S 4 \(middle) 987654321 23 24\n"
    }

    @Test(
        "field 22 is found whatever the name holds",
        arguments: ["bash", "a b", "a) S 1 2 3 (b", "(", ")", "))))", "x\ny", "7 (x) R 1", "", "\u{fffd}"])
    func threadStart(name: String) throws {
        try tree.file("7/task/8/stat", stat(name: name))
        #expect(try proc.threadStart(pid: 7, tid: 8) == 987_654_321)
    }

    @Test(
        "a stat that is none is refused",
        arguments: [
            "", "7", "7 (x", "7 (x) S 1 2", ")", "7 (x) \(manyFields) -1 2",
            "7 (x) \(manyFields) 99999999999999999999999 2",
        ])
    func brokenStat(text: String) throws {
        try tree.file("7/task/8/stat", text)
        #expect(throws: ProcError(path: tree.root + "/7/task/8/stat", errno: EBADMSG)) {
            try proc.threadStart(pid: 7, tid: 8)
        }
    }

    @Test func aThreadThatHasGoneIsSaidToBeGone() {
        let error = #expect(throws: ProcError.self) { try proc.threadStart(pid: 7, tid: 8) }
        #expect(error?.errno == ENOENT)
        #expect(error?.isGone == true)
        #expect(error?.path == tree.root + "/7/task/8/stat")
    }

    @Test func linksAreReadAsBytesAndNeverFollowed() throws {
        try tree.link("7/task/8/fd/3", "pipe:[123]")
        try tree.link("7/task/8/fd/2000", [0x2f, 0xff, 0xfe, 0x0a, 0x61])
        try tree.link("7/task/8/exe", "/bin/x (deleted)")
        try tree.link("7/task/8/cwd", "/home")
        try tree.link("7/task/8/root", "/srv/chroot")
        #expect(try proc.descriptorTarget(pid: 7, tid: 8, fd: 3) == Array("pipe:[123]".utf8))
        #expect(try proc.descriptorTarget(pid: 7, tid: 8, fd: 2000) == [0x2f, 0xff, 0xfe, 0x0a, 0x61])
        #expect(try proc.executable(pid: 7, tid: 8) == Array("/bin/x (deleted)".utf8))
        #expect(try proc.workingDirectory(pid: 7, tid: 8) == Array("/home".utf8))
        #expect(try proc.rootDirectory(pid: 7, tid: 8) == Array("/srv/chroot".utf8))
        #expect(throws: ProcError.self) { try proc.descriptorTarget(pid: 7, tid: 8, fd: 4) }
    }

    @Test func aLinkOf4000BytesIsWholeAndALimitCutsIt() throws {
        let target = (0..<4000).map { _ in UInt8(ascii: "d") }
        try tree.link("7/task/8/fd/3", target)
        #expect(try proc.descriptorTarget(pid: 7, tid: 8, fd: 3) == target)
        #expect(try proc.readLink("7/task/8/fd/3", limit: 10).count == 10)
        #expect(try proc.readLink("7/task/8/fd/3", limit: 0).isEmpty)
        #expect(try proc.readLink("7/task/8/fd/3", limit: -1).isEmpty)
    }

    @Test func whatALinkPointsAtIsNeverOpened() throws {
        // Opening a FIFO without writer would block; through O_NONBLOCK it would succeed. Neither may happen.
        try tree.file("secret", "x")
        try tree.link("7/task/8/fd/3", tree.root + "/secret")
        try tree.link("7/task/8/exe", tree.root + "/secret")
        try tree.link("7/task/8/root", tree.root)
        for path in [
            "7/task/8/fd/3", "7/task/8/exe", "7/task/8/root/secret", "7/task/8/cwd/x", "7/fd/3/x", "7/exe/x",
            "7/task/8//root/secret",
        ] {
            let error = #expect(throws: ProcError.self) { try proc.readFile(path, limit: 10) }
            #expect(error?.errno == ELOOP)
        }
        #expect(throws: ProcError.self) { try proc.readLink("7/root/etc/localtime") }
    }

    @Test func aFIFOInTheWayDoesNotStopTheReader() throws {
        try tree.file("7/task/8/x", "")
        try #require(mkfifo(tree.root + "/7/task/8/stat", 0o600) == 0)
        #expect(throws: ProcError.self) { try proc.threadStart(pid: 7, tid: 8) }
    }

    @Test func filesAreReadUpToTheLimit() throws {
        let bytes = (0..<10_000).map { UInt8(truncatingIfNeeded: $0) }
        try tree.file("f", bytes)
        #expect(try proc.readFile("f", limit: 20_000) == bytes)
        #expect(try proc.readFile("f", limit: 10_000) == bytes)
        #expect(try proc.readFile("f", limit: 4_097) == Array(bytes[..<4_097]))
        #expect(try proc.readFile("f", limit: 0).isEmpty)
        #expect(try proc.readFile("f", limit: -5).isEmpty)
        let error = #expect(throws: ProcError.self) { try proc.readFile("", limit: 5) }
        #expect(error?.errno == EISDIR)
    }

    @Test func aRootMayEndInSlashes() throws {
        try tree.file("f", "x")
        #expect(try ProcFS(root: tree.root + "//").readFile("f", limit: 9) == [0x78])
        #expect(ProcFS(root: "/").root == "")
    }

    @Test func statusGivesEveryNamespaceFromTheOutermost() throws {
        try tree.file(
            "7/task/8/status",
            "Name:\tevil\\nTgid:\t1\nTgid:\t7\nNgid:\t0\nPid:\t8\nPPid:\t4\nUid:\t1000\t0\t1000\t1000\nNSpid:\t8\t5\t2\n"
        )
        let status = try proc.status(pid: 7, tid: 8)
        #expect(status.processID == 7)
        #expect(status.parentID == 4)
        #expect(status.realUserID == 1000)
        #expect(status.effectiveUserID == 0)
        #expect(status.namespaceIDs == [8, 5, 2])
    }

    @Test(
        "half a status is refused, one without NSpid is not",
        arguments: [
            ("Tgid:\t7\nPPid:\t4\nUid:\t0\t0\t0\t0\n", true), ("Tgid:\t7\nPPid:\t4\n", false), ("", false),
            (":::\n\n:", false),
            ("Tgid:\t99999999999\nPPid:\t4\nUid:\t0\t0\n", false), ("Tgid:\t7\nPPid:\t-4\nUid:\t0\t0\n", false),
        ])
    func statusParsing(text: String, isValid: Bool) throws {
        try tree.file("7/task/8/status", text)
        if isValid {
            #expect(try proc.status(pid: 7, tid: 8).namespaceIDs.isEmpty)
        } else {
            #expect(throws: ProcError.self) { try proc.status(pid: 7, tid: 8) }
        }
    }

    @Test(
        "arguments are split at NULs, padding of titles is not an argument",
        arguments: [
            ("a\0b c\0", ["a", "b c"]), ("a\0\0b\0", ["a", "", "b"]), ("", []), ("\0", []),
            ("nginx: worker\0\0\0\0", ["nginx: worker"]), ("no end", ["no end"]),
        ])
    func commandLine(text: String, expected: [String]) throws {
        try tree.file("7/task/8/cmdline", text)
        #expect(try proc.commandLine(pid: 7, tid: 8, limit: 4096) == expected.map { Array($0.utf8) })
    }

    @Test func aLongCommandLineIsCutAtItsLimit() throws {
        try tree.file("7/task/8/cmdline", "abc\0defgh\0")
        #expect(try proc.commandLine(pid: 7, tid: 8, limit: 6) == [Array("abc".utf8), Array("de".utf8)])
    }

    @Test func bootIDIsAUUIDOrNothing() throws {
        try tree.file("sys/kernel/random/boot_id", "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9\n")
        #expect(try proc.bootID() == "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9")
        try tree.file("sys/kernel/random/boot_id", "\u{1b}[31m")
        #expect(throws: ProcError.self) { try proc.bootID() }
    }

    @Test func theOwnNamespaceIsKnownByItsInode() throws {
        try tree.link("self/ns/pid", "pid:[4026531836]")
        #expect(try proc.ownNamespaceInode() == 4_026_531_836)
        try tree.link("self/ns/net", "net:[]")
        #expect(throws: ProcError.self) { try proc.ownNamespaceInode("net") }
        try tree.link("self/ns/mnt", "[")
        #expect(throws: ProcError.self) { try proc.ownNamespaceInode("mnt") }
        try tree.link("self/ns/user", "][")
        #expect(throws: ProcError.self) { try proc.ownNamespaceInode("user") }
    }

    @Test func theRealProcAnswersAboutThisProcess() throws {
        let real = ProcFS(root: "/proc")
        let pid = getpid()
        #expect(try real.status(pid: pid, tid: pid).processID == pid)
        #expect(try real.threadStart(pid: pid, tid: pid) > 0)
        #expect(try !real.executable(pid: pid, tid: pid).isEmpty)
        #expect(try real.rootDirectory(pid: pid, tid: pid).first == UInt8(ascii: "/"))
        #expect(try real.ownNamespaceInode() > 0)
        #expect(try real.bootID().utf8.count == 36)
        #expect(try !real.commandLine(pid: pid, tid: pid, limit: 4096).isEmpty)
    }

    // MARK: - /etc/passwd

    @Test func userNamesSkipWhatIsNoUser() {
        let names = UserNames(
            passwd: Array(
                """
                root:x:0:0:root:/root:/bin/bash
                # comment:x:5:5
                toor:x:0:0::/:
                +nis:x:9:9::/:
                broken:x:notanumber:1:
                minus:x:-1:1:
                large:x:4294967296:1:
                half:x:7
                :x:8:8:

                jürgen:x:1000:1000:Jürgen,,,:/home/j:/bin/sh
                nobody:x:65534:65534:nobody:/:/usr/sbin/nologin
                """.utf8) + [0x0a, 0xff, 0x3a, 0x78, 0x3a, 0x31, 0x3a, 0x31, 0x3a])
        #expect(names.name(uid: 0) == "root")
        #expect(names.uid(name: "toor") == 0)
        #expect(names.name(uid: 1000) == "jürgen")
        #expect(names.uid(name: "nobody") == 65534)
        #expect(names.name(uid: 1) == "\u{fffd}")
        for uid in [5, 7, 8, 9] as [UInt32] { #expect(names.name(uid: uid) == nil) }
        #expect(names.uid(name: "nis") == nil)
        #expect(names.count == 4)
    }
}

/// Fields 3 to 21.
private let manyFields = "3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21"
