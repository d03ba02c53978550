import Testing

@testable import BlockWatchCore

@Suite struct `Filters` {
    let call = FilterSubject(
        syscall: "read", pid: 7, tid: 8, names: ["postgres", "worker"], userID: 26, userName: "postgres",
        cgroup: "/system.slice/postgresql.service", unit: "postgresql.service",
        container: "0123456789abcdef", path: "/srv/data/base/1", ports: [5432, 40404],
        durationNanoseconds: 5_000_000_000)

    private func only(_ field: FilterField, _ values: String...) -> Filter { Filter(include: [field: values]) }
    private func not(_ field: FilterField, _ values: String...) -> Filter { Filter(exclude: [field: values]) }

    @Test func `nothing asked admits everything`() { #expect(Filter().admits(call)) }

    @Test(arguments: [
        (FilterField.syscall, "read", "write"), (.syscall, "re*", "w*"), (.pid, "7", "8"), (.comm, "worker", "work"),
        (.comm, "post*", "gres"), (.user, "26", "0"), (.user, "postgres", "root"),
        (.cgroup, "/system.slice/*", "/user*"),
        (.unit, "postgresql.service", "ssh.service"), (.container, "012345", "12345"),
        (.container, "0123456789abcdef", "f*"),
        (.path, "/srv/*", "/srv"), (.port, "5432", "543"), (.port, "05432", "54320"), (.user, "026", "2"),
        (.port, "40404", "80"),
    ])
    func `a field fits or not`(field: FilterField, fits: String, other: String) {
        #expect(only(field, fits).admits(call))
        #expect(!only(field, other).admits(call))
        #expect(only(field, other, fits).admits(call), "within a field one value suffices")
        #expect(!not(field, fits).admits(call))
        #expect(not(field, other).admits(call))
    }

    @Test func `of several fields each must fit, and one exclusion hides`() {
        #expect(Filter(include: [.comm: ["postgres"], .syscall: ["read"]]).admits(call))
        #expect(!Filter(include: [.comm: ["postgres"], .syscall: ["write"]]).admits(call))
        #expect(!Filter(include: [.comm: ["postgres"]], exclude: [.pid: ["7"]]).admits(call))
    }

    @Test func `what is unknown fits nothing`() {
        var stopped = call
        stopped.syscall = nil
        stopped.container = nil
        stopped.ports = []
        #expect(!only(.syscall, "*").admits(stopped))
        #expect(!only(.container, "*").admits(stopped))
        #expect(!only(.port, "5432").admits(stopped))
        #expect(not(.syscall, "*").admits(stopped))
    }

    @Test func `calls that can never be written are not watched`() throws {
        let every = Set(Verdict.allCases)
        let table = SyscallTable.table(for: .x86_64)
        for (filter, verdicts, name, isWanted) in [
            (only(.syscall, "fl*"), every, "flock", true), (only(.syscall, "fl*"), every, "read", false),
            (not(.syscall, "nanosleep"), every, "nanosleep", false), (only(.comm, "x"), every, "read", true),
            // what no line could ever be about
            (Filter(), [.deadlock], "nanosleep", false), (Filter(), [.deadlock], "epoll_wait", false),
            (Filter(), [.deadlock], "futex", true),
            // it may be overdue
            (Filter(), [.stuck], "nanosleep", true),
            (only(.reason, "lock_*"), every, "nanosleep", false), (only(.reason, "lock_*"), every, "flock", true),
            (only(.port, "3306"), every, "flock", false), (only(.port, "3306"), every, "connect", true),
            (only(.path, "/srv/*"), every, "poll", false), (only(.path, "/srv/*"), every, "openat", true),
        ] {
            let number = try #require(table.number(named: name))
            let call = try #require(table[number])
            #expect(filter.mayAdmit(call, verdicts: verdicts) == isWanted, "\(name) by \(filter)")
        }
    }

    @Test(arguments: [
        (FilterField.pid, "0"), (.pid, "x"), (.port, "0"), (.port, "65536"), (.comm, ""), (.container, "01234"),
    ])
    func `values that can never match are refused`(field: FilterField, value: String) {
        #expect(throws: FilterError.self) { try field.check(value) }
    }
}

@Suite struct `Lists` {
    @Test func `have commas, and blanks around their elements do not count`() {
        #expect(FilterField.elements("a") == ["a"])
        #expect(FilterField.elements(" a,b ,\tc d\t") == ["a", "b", "c d"])
        #expect(FilterField.elements("a,,") == ["a", "", ""], "empty ones are kept, to be refused")
    }
}

@Suite struct `Ignore rules` {
    let call = FilterSubject(
        syscall: "read", pid: 7, tid: 7, names: ["borg backup"], userID: 0, userName: "root", cgroup: "/", unit: nil,
        container: nil, path: nil, ports: [], durationNanoseconds: 60_000_000_000)

    @Test func `ignore what fits all conditions, up to their time`() throws {
        let rule = try IgnoreRule(name: "b", text: "comm=borg* syscall=read,write max=1m")
        #expect(rule.maxNanoseconds == 60_000_000_000)
        #expect(rule.ignores(call))
        var longer = call
        longer.durationNanoseconds += 1
        #expect(!rule.ignores(longer))
        var other = call
        other.syscall = "poll"
        #expect(!rule.ignores(other))
    }

    @Test func `values in quotes may hold blanks`() throws {
        #expect(try IgnoreRule(name: "b", text: #"comm="borg backup""#).ignores(call))
    }

    @Test(arguments: [
        "", "max=2h", "colour=red", "comm", "comm=\"x", "comm=", "pid=zero", "comm=x max=5", "comm=x max=-1s",
        "comm=x max=1s max=2s", "comm=\"a b\"syscall=read",
    ])
    func `a rule that means nothing is refused`(text: String) {
        #expect(throws: FilterError.self) { try IgnoreRule(name: "b", text: text) }
    }
}
