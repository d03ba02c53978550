import BlockWatchBPF
import Testing

@testable import BlockWatchCapture

/// The header is one contract for two compilers: what the BPF side laid out must be what this side reads.
@Suite struct `The embedded object and the header agree` {
    private func layout(of name: String) throws -> ObjectLayout? {
        ObjectLayout(of: name, in: try EmbeddedObject())
    }

    private func expect<T>(_ type: T.Type, named name: String, _ members: [(String, Int?)]) throws {
        let layout = try #require(try layout(of: name), "the object has no struct \(name)")
        #expect(layout.size == MemoryLayout<T>.size, "size of \(name)")
        #expect(layout.offsets.count == members.count, "members of \(name)")
        for (member, offset) in members {
            #expect(layout.offsets[member] == offset, "\(name).\(member)")
        }
    }

    @Test func `settings`() throws {
        typealias S = bw_settings
        try expect(
            S.self, named: "bw_settings",
            [
                ("threshold_ns", MemoryLayout<S>.offset(of: \.threshold_ns)),
                ("tick_ns", MemoryLayout<S>.offset(of: \.tick_ns)),
                ("near_age", MemoryLayout<S>.offset(of: \.near_age)),
                ("sure_age", MemoryLayout<S>.offset(of: \.sure_age)),
                ("late_age", MemoryLayout<S>.offset(of: \.late_age)),
                ("narrow", MemoryLayout<S>.offset(of: \.narrow)),
                ("short_age", MemoryLayout<S>.offset(of: \.short_age)),
                ("homes_shift", MemoryLayout<S>.offset(of: \.homes_shift)),
                ("precise", MemoryLayout<S>.offset(of: \.precise)), ("trace", MemoryLayout<S>.offset(of: \.trace)),
                ("calls", MemoryLayout<S>.offset(of: \.calls)),
            ])
    }

    @Test func `closings`() throws {
        typealias S = bw_close
        try expect(
            S.self, named: "bw_close",
            [
                ("type", MemoryLayout<S>.offset(of: \.type)), ("reason", MemoryLayout<S>.offset(of: \.reason)),
                ("id", MemoryLayout<S>.offset(of: \.id)), ("now_ns", MemoryLayout<S>.offset(of: \.now_ns)),
                ("result", MemoryLayout<S>.offset(of: \.result)),
            ])
    }

    @Test func `control`() throws {
        typealias S = bw_control
        try expect(
            S.self, named: "bw_control",
            [
                ("refresh_some", MemoryLayout<S>.offset(of: \.refresh_some)),
                ("wanted", MemoryLayout<S>.offset(of: \.wanted)),
                ("wanted_parents", MemoryLayout<S>.offset(of: \.wanted_parents)),
                ("wanted_inner", MemoryLayout<S>.offset(of: \.wanted_inner)),
                ("look_closely", MemoryLayout<S>.offset(of: \.look_closely)),
                ("untraced", MemoryLayout<S>.offset(of: \.untraced)),
                ("only_note", MemoryLayout<S>.offset(of: \.only_note)), ("pad", MemoryLayout<S>.offset(of: \.pad)),
                ("horizon_ns", MemoryLayout<S>.offset(of: \.horizon_ns)),
            ])
    }

    @Test func `crossings`() throws {
        typealias S = bw_crossing
        try expect(
            S.self, named: "bw_crossing",
            [
                ("at_ns", MemoryLayout<S>.offset(of: \.at_ns)), ("tid", MemoryLayout<S>.offset(of: \.tid)),
                ("pad", MemoryLayout<S>.offset(of: \.pad)),
            ])
    }

    @Test func `questions and answers about holders`() throws {
        for (name, size) in [
            ("bw_key", MemoryLayout<bw_key>.size), ("bw_question", MemoryLayout<bw_question>.size),
            ("bw_view_key", MemoryLayout<bw_view_key>.size), ("bw_file", MemoryLayout<bw_file>.size),
            ("bw_lock", MemoryLayout<bw_lock>.size), ("bw_set", MemoryLayout<bw_set>.size),
            ("bw_set_item", MemoryLayout<bw_set_item>.size),
        ] {
            let layout = try #require(try layout(of: name), "the object has no struct \(name)")
            #expect(layout.size == size, "size of \(name)")
        }
        let file = try #require(try layout(of: "bw_file"))
        #expect(file.offsets["net_namespace"] == MemoryLayout<bw_file>.offset(of: \.net_namespace))
        #expect(file.offsets["local"] == MemoryLayout<bw_file>.offset(of: \.local))
        let set = try #require(try layout(of: "bw_set"))
        #expect(set.offsets["is_cut"] == MemoryLayout<bw_set>.offset(of: \.is_cut))
        #expect(set.offsets["items"] == MemoryLayout<bw_set>.offset(of: \.items))
        let lock = try #require(try layout(of: "bw_lock"))
        #expect(lock.offsets["waiter"] == MemoryLayout<bw_lock>.offset(of: \.waiter))
        #expect(lock.offsets["owner"] == MemoryLayout<bw_lock>.offset(of: \.owner))
    }

    @Test func `calls and what they hold`() throws {
        let call = try #require(try layout(of: "bw_call"))
        #expect(call.size == MemoryLayout<bw_call>.size)
        #expect(call.offsets["object"] == MemoryLayout<bw_call>.offset(of: \.object))
        #expect(call.offsets["stack"] == MemoryLayout<bw_call>.offset(of: \.stack))
        #expect(call.offsets["cgroup"] == MemoryLayout<bw_call>.offset(of: \.cgroup))
        #expect(call.offsets["thread_start_ns"] == MemoryLayout<bw_call>.offset(of: \.thread_start_ns))
        #expect(call.offsets["leader_comm"] == MemoryLayout<bw_call>.offset(of: \.leader_comm))
        #expect(call.offsets["flags"] == MemoryLayout<bw_call>.offset(of: \.flags))
        let thing = try #require(try layout(of: "bw_object"))
        #expect(thing.size == MemoryLayout<bw_object>.size)
        #expect(thing.offsets["u"] == MemoryLayout<bw_object>.offset(of: \.u))
        #expect(thing.offsets["fs_name"] == MemoryLayout<bw_object>.offset(of: \.fs_name))
        #expect(thing.offsets["receive_timeout_ns"] == MemoryLayout<bw_object>.offset(of: \.receive_timeout_ns))
        for (name, size) in [
            ("bw_pipe", MemoryLayout<bw_pipe>.size), ("bw_inet", MemoryLayout<bw_inet>.size),
            ("bw_unix", MemoryLayout<bw_unix>.size), ("bw_netlink", MemoryLayout<bw_netlink>.size),
            ("bw_vsock", MemoryLayout<bw_vsock>.size), ("bw_counters", MemoryLayout<bw_counters>.size),
        ] {
            #expect(try layout(of: name)?.size == size, "size of \(name)")
        }
    }

    @Test func `what is told of a watched process`() throws {
        for (name, size) in [
            ("bw_watch_settings", MemoryLayout<bw_watch_settings>.size),
            ("bw_watch_counters", MemoryLayout<bw_watch_counters>.size),
            ("bw_watch_control", MemoryLayout<bw_watch_control>.size), ("bw_watched", MemoryLayout<bw_watched>.size),
            ("bw_total_key", MemoryLayout<bw_total_key>.size), ("bw_total", MemoryLayout<bw_total>.size),
            ("bw_watched_call", MemoryLayout<bw_watched_call>.size), ("bw_life", MemoryLayout<bw_life>.size),
            ("bw_sample", MemoryLayout<bw_sample>.size),
        ] {
            let layout = try #require(try layout(of: name), "the object has no struct \(name)")
            #expect(layout.size == size, "size of \(name)")
        }
        let call = try #require(try layout(of: "bw_watched_call"))
        #expect(call.offsets["args"] == MemoryLayout<bw_watched_call>.offset(of: \.args))
        #expect(call.offsets["payload"] == MemoryLayout<bw_watched_call>.offset(of: \.payload))
        let life = try #require(try layout(of: "bw_life"))
        #expect(life.offsets["comm"] == MemoryLayout<bw_life>.offset(of: \.comm))
        #expect(life.offsets["status"] == MemoryLayout<bw_life>.offset(of: \.status))
    }

    /// The committed objects, also that of the other architecture.
    private func committed(_ architecture: String) -> String {
        let here = #filePath
        return String(here.dropLast("Tests/BlockWatchCaptureTests/LayoutTests.swift".count))
            + "bpf/blockwatch.\(architecture).bpf.o"
    }

    @Test(arguments: [
        "bw_settings", "bw_close", "bw_control", "bw_counters", "bw_key", "bw_question", "bw_view_key", "bw_file",
        "bw_lock", "bw_call", "bw_object", "bw_pipe", "bw_inet", "bw_unix", "bw_netlink", "bw_vsock", "thread_state",
        "call_slot",
    ])
    func `both architectures lay it out alike`(name: String) throws {
        let ours = try #require(try layout(of: name), "the object has no struct \(name)")
        for architecture in ["x86_64", "aarch64"] {
            #expect(ObjectLayout(of: name, inFile: committed(architecture)) == ours, "\(name) of \(architecture)")
        }
    }

    @Test func `each architecture reads its own registers`() throws {
        let arm = try #require(ObjectLayout(of: "pt_regs", inFile: committed("aarch64")))
        #expect(Set(arm.offsets.keys) == ["regs", "sp", "pc", "pstate", "orig_x0", "syscallno"])
        let intel = try #require(ObjectLayout(of: "pt_regs", inFile: committed("x86_64")))
        #expect(intel.offsets.keys.contains("orig_ax"))
        #expect(!intel.offsets.keys.contains("syscallno"))
    }

    @Test func `a struct that is not there is said to be missing`() throws {
        #expect(try layout(of: "bw_nothing") == nil)
    }

    @Test func `the object has every program and map that Capture asks for`() throws {
        let object = try EmbeddedObject()
        for name in ["on_sys_enter", "on_sys_exit", "on_process_exit", "scan"] { _ = unsafe try object.program(name) }
        for name in ["records", "refresh", "homes", ".rodata.settings", ".data.counters", ".data.control"] {
            _ = unsafe try object.map(name)
        }
        #expect(throws: CaptureError.self) { _ = unsafe try object.program("nothing") }
    }

    @Test func `a threshold in jiffies is never reached too early`() {
        var raw = bw_settings()
        for threshold in [100_000_000, 123_456_789, 5_000_000_000, 7_200_000_000_000] as [UInt64] {
            let settings = CaptureSettings(
                thresholdNanoseconds: threshold, trace: true, watchedNative: [], watchedCompat: [], isNarrow: false)
            Capture.fill(&raw, from: settings)
            #expect(raw.precise == 0)
            // a stamp may lie a whole tick before the call
            #expect((raw.sure_age - 1) * raw.tick_ns >= threshold)
            #expect((raw.sure_age - 3) * raw.tick_ns < threshold)
            #expect(raw.near_age < raw.sure_age)
            #expect((raw.late_age - raw.sure_age) * raw.tick_ns >= 240_000_000)
        }
        Capture.fill(
            &raw,
            from: CaptureSettings(
                thresholdNanoseconds: 1_000_000, trace: true, watchedNative: [7], watchedCompat: [9], isNarrow: true))
        #expect(raw.precise == 1)
        #expect(raw.narrow == 1)
        #expect(raw.sure_age == 1_000_000)
        #expect(raw.late_age == 251_000_000)
        #expect(raw.near_age < raw.sure_age)
        #expect(raw.short_age == 750_000)
        #expect(raw.homes_shift == 20)
        #expect(raw.calls.0.watched.0 == 7)
        #expect(raw.calls.0.watched.1 == 9)
    }

    @Test func `a threshold of 584 years is one`() {
        var raw = bw_settings()
        Capture.fill(
            &raw,
            from: CaptureSettings(
                thresholdNanoseconds: .max, trace: true, watchedNative: [], watchedCompat: [], isNarrow: false))
        #expect(raw.sure_age > .max / raw.tick_ns)
        #expect(raw.near_age < raw.sure_age)
    }
}
