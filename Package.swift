// swift-tools-version: 6.2
import PackageDescription

// A module is a permission; the compiler keeps the fences.
let fenced: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("ExistentialAny"),
]

// Compiled by `make bpf`, not by the package manager.
let bpfSources = [
    "blockwatch.bpf.c", "kernel_types.h", "kernel_constants.h", "thread_state.h",
    "shared.bpf.h", "stamps.bpf.h", "homes.bpf.h", "registers.bpf.h", "walk.bpf.h", "objects.bpf.h", "call_file.bpf.h",
    "describe.bpf.h", "report.bpf.h", "slots.bpf.h", "on_sys_enter.bpf.h", "on_sys_exit.bpf.h", "on_process_exit.bpf.h",
    "on_signal.bpf.h", "scan.bpf.h", "locks.bpf.h", "epoll.bpf.h", "rings.bpf.h", "holders.bpf.h", "view.bpf.h",
    "watch_one.bpf.h",
    "user_registers.bpf.h", "symbol_names.bpf.h",
    "blockwatch.x86_64.bpf.o", "blockwatch.aarch64.bpf.o", "LICENSE.BSD-2-Clause", "LICENSE.GPL-2.0",
]

// The linker reads each once, in this order, and of two targets' lists only the first mention counts: there is one list.
let archives: [LinkerSetting] = ["libbpf", "libdw", "libelf", "liblzma", "libbz2", "libz"].map {
    .linkedLibrary(":\($0).a")
}

let package = Package(
    name: "blockwatch",
    products: [.executable(name: "blockwatch", targets: ["BlockWatch"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    ],
    targets: [
        // No pkgConfig and no `link` line in the module map: either would add the shared libraries.
        .systemLibrary(
            name: "CLibbpf",
            providers: [.apt(["libbpf-dev", "libdw-dev", "libelf-dev", "liblzma-dev", "libbz2-dev", "zlib1g-dev"])]),
        // Header only: system calls that Swift cannot make by itself.
        .systemLibrary(name: "CLinux"),
        // Starts a program of somebody else, without privileges.
        .target(name: "CHelper"),
        // Walks the stacks of others, in processes of its own.
        .target(
            name: "CStacks",
            dependencies: ["CHelper"],
            // for the names of C++
            linkerSettings: archives + [.linkedLibrary("stdc++")]),
        // The compiled BPF object and the header that both sides share.
        .target(
            name: "BlockWatchBPF",
            path: "bpf",
            exclude: bpfSources,
            sources: ["object.c"],
            publicHeadersPath: "include"),
        .target(
            name: "BlockWatchCapture",
            dependencies: ["CLibbpf", "BlockWatchBPF"],
            swiftSettings: fenced,
            linkerSettings: archives),
        .target(
            name: "BlockWatchCore",
            dependencies: ["BlockWatchBPF"],
            swiftSettings: fenced),
        .executableTarget(
            name: "BlockWatch",
            dependencies: [
                "BlockWatchCapture", "BlockWatchCore", "CHelper", "CLinux", "CStacks",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "DequeModule", package: "swift-collections"),
            ],
            swiftSettings: fenced),
        .testTarget(
            name: "BlockWatchCoreTests",
            dependencies: ["BlockWatchCore", "BlockWatchBPF"],
            exclude: ["Recordings"],
            swiftSettings: [.swiftLanguageMode(.v6)]),
        .testTarget(
            name: "BlockWatchCaptureTests",
            dependencies: ["BlockWatchCapture", "BlockWatchBPF"],
            swiftSettings: [.swiftLanguageMode(.v6)]),
        .testTarget(
            name: "EndToEnd",
            dependencies: ["BlockWatch", "BlockWatchCapture", "BlockWatchCore"],
            path: "Tests/EndToEnd",
            exclude: ["Programs", "Software"],
            swiftSettings: [.swiftLanguageMode(.v6)]),
    ],
    cLanguageStandard: .c2x
)

// `make fuzz`: built with instrumentation and libFuzzer's own main, and only then.
if Context.environment["BLOCKWATCH_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "BlockWatchFuzz",
            dependencies: ["BlockWatchCore", "BlockWatchBPF"],
            path: "Tests/Fuzz",
            exclude: ["corpus", "replay.dict", "run", "seeds", "workers"],
            swiftSettings: [.swiftLanguageMode(.v6), .unsafeFlags(["-parse-as-library"])]))
}
