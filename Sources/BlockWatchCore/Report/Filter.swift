internal import Glibc

/// What filters look at in a call.
public struct FilterSubject: Sendable {
    public var syscall: String?
    public var pid, tid: Int
    /// Of the process and of the thread.
    public var names: [String]
    public var userID: Int
    public var userName: String?
    public var cgroup: String?
    public var unit: String?
    public var container: String?
    /// Of the file, or of a unix socket.
    public var path: String?
    public var ports: [Int]
    public var durationNanoseconds: UInt64
    /// `nil` until it is judged.
    public var reason: String?

    public init(
        syscall: String?, pid: Int, tid: Int, names: [String], userID: Int, userName: String?, cgroup: String?,
        unit: String?, container: String?, path: String?, ports: [Int], durationNanoseconds: UInt64,
        reason: String? = nil
    ) {
        self.syscall = syscall
        self.pid = pid
        self.tid = tid
        self.names = names
        self.userID = userID
        self.userName = userName
        self.cgroup = cgroup
        self.unit = unit
        self.container = container
        self.path = path
        self.ports = ports
        self.durationNanoseconds = durationNanoseconds
        self.reason = reason
    }
}

/// What a filter can ask for; the names are those of the options and of ignore rules.
public enum FilterField: String, CaseIterable, Sendable {
    case syscall, pid, comm, user, cgroup, unit, container, path, port, reason

    /// - Throws: ``FilterError`` for a value that can never match.
    public func check(_ value: String) throws(FilterError) {
        guard !value.isEmpty else { throw FilterError("an empty value matches nothing") }
        switch self {
        case .pid:
            guard let pid = Int(value), pid >= 1 else { throw FilterError("\(value) is not a process id") }
        case .port:
            guard let port = Int(value), (1...65535).contains(port) else {
                throw FilterError("\(value) is not a port: 1 to 65535")
            }
        case .container:
            guard value.utf8.count >= Self.shortestID || Self.isPattern(value) else {
                throw FilterError(
                    "\(value) is too short: \(Self.shortestID) characters of the id at the least, or a pattern")
            }
        case .reason:
            guard Reason.allCases.contains(where: { glob(value, $0.rawValue) }) else {
                throw FilterError("there is no reason \(value); SCHEMA.md lists them")
            }
        default: break
        }
    }

    /// Less of an id would fit many containers.
    private static let shortestID = 6

    /// Whether a value is more than a name.
    public static func isPattern(_ value: String) -> Bool { value.contains { "*?[".contains($0) } }

    /// A list with commas. Blanks around an element are not part of it: `a, b` would silently never fit `b`.
    public static func elements(_ list: String) -> [String] {
        list.split(separator: ",", omittingEmptySubsequences: false).map { element in
            var element = element.drop { $0 == " " || $0 == "\t" }
            while element.last == " " || element.last == "\t" { element.removeLast() }
            return String(element)
        }
    }

    /// Whether one of the values fits.
    func matches(_ values: [String], _ subject: FilterSubject) -> Bool {
        switch self {
        case .syscall: values.contains { glob($0, subject.syscall) }
        case .pid: values.contains { Int($0) == subject.pid }
        case .comm: values.contains { value in subject.names.contains { glob(value, $0) } }
        case .user: values.contains { Int($0) == subject.userID || glob($0, subject.userName) }
        case .cgroup: values.contains { glob($0, subject.cgroup) }
        case .unit: values.contains { glob($0, subject.unit) }
        case .container:
            // a short id, as docker ps shows it
            values.contains { value in
                glob(value, subject.container)
                    || value.utf8.count >= Self.shortestID && subject.container?.hasPrefix(value) == true
            }
        case .path: values.contains { glob($0, subject.path) }
        case .port: values.contains { value in Int(value).map(subject.ports.contains) ?? false }
        case .reason: values.contains { glob($0, subject.reason) }
        }
    }
}

public struct FilterError: Error, Equatable, Sendable, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// `*` and `?` cross slashes: a path filter of `/srv/*` means everything below.
///
/// C function: `fnmatch`
public func glob(_ pattern: String, _ text: String?) -> Bool {
    guard let text else { return false }
    return unsafe fnmatch(pattern, text, 0) == 0
}

/// Which calls are written. Within a field one value suffices; of several fields each must fit; one exclusion hides.
public struct Filter: Sendable, Equatable {
    public var include: [FilterField: [String]]
    public var exclude: [FilterField: [String]]

    public init(include: [FilterField: [String]] = [:], exclude: [FilterField: [String]] = [:]) {
        self.include = include.filter { !$0.value.isEmpty }
        self.exclude = exclude.filter { !$0.value.isEmpty }
    }

    public var isEmpty: Bool { include.isEmpty && exclude.isEmpty }

    public func admits(_ subject: FilterSubject) -> Bool {
        include.allSatisfy { $0.key == .reason && subject.reason == nil || $0.key.matches($0.value, subject) }
            && !exclude.contains { $0.key.matches($0.value, subject) }
    }

    /// Whether such a call could be written at all: those that cannot are not even watched.
    ///
    /// - Parameter verdicts: those that are written.
    public func mayAdmit(_ call: SyscallInfo, verdicts: Set<Verdict> = Set(Verdict.allCases)) -> Bool {
        guard mayAdmit(syscall: call.name) else { return false }
        if include[.port] != nil, !call.class.mayHavePort { return false }
        if include[.path] != nil, !call.class.mayHavePath { return false }
        return Reason.allCases.contains { reason in
            verdicts.contains(reason.verdict) && call.class.mayBe(reason)
                && include[.reason]?.contains { glob($0, reason.rawValue) } ?? true
                && !(exclude[.reason] ?? []).contains { glob($0, reason.rawValue) }
        }
    }

    private func mayAdmit(syscall: String) -> Bool {
        let isWanted = include[.syscall].map { $0.contains { glob($0, syscall) } } ?? true
        return isWanted && !(exclude[.syscall] ?? []).contains { glob($0, syscall) }
    }
}

/// A named rule of the config file: `comm=borg syscall=read max=2h`.
public struct IgnoreRule: Sendable, Equatable {
    public var name: String
    /// As it was written.
    public let text: String
    public var conditions: [FilterField: [String]]
    /// Ignored for so long only, nanoseconds.
    public var maxNanoseconds: UInt64?

    /// - Throws: ``FilterError`` that says what is wrong with the text.
    public init(name: String, text: String) throws(FilterError) {
        self.name = name
        self.text = text
        conditions = [:]
        for (key, value) in try Self.pairs(text) {
            if key == "max" {
                guard maxNanoseconds == nil else { throw FilterError("max is given twice") }
                do throws(DurationError) { maxNanoseconds = try parseDuration(value) } catch {
                    throw FilterError("max: \(error)")
                }
                continue
            }
            guard let field = FilterField(rawValue: key) else {
                let known = FilterField.allCases.map(\.rawValue).joined(separator: ", ")
                throw FilterError("unknown condition \(key); known are \(known) and max")
            }
            for value in FilterField.elements(value) {
                do throws(FilterError) { try field.check(value) } catch { throw FilterError("\(key): \(error)") }
                conditions[field, default: []].append(value)
            }
        }
        guard !conditions.isEmpty else { throw FilterError("a rule without a condition would ignore every call") }
    }

    public func ignores(_ subject: FilterSubject) -> Bool {
        if let maxNanoseconds, subject.durationNanoseconds > maxNanoseconds { return false }
        return conditions.allSatisfy { $0.key.matches($0.value, subject) }
    }

    /// Words of `key=value`; a value in double quotes may hold blanks.
    private static func pairs(_ text: String) throws(FilterError) -> [(String, String)] {
        var pairs: [(String, String)] = []
        var rest = text[...]
        while true {
            rest = rest.drop { $0 == " " || $0 == "\t" }
            guard !rest.isEmpty else { return pairs }
            guard let equals = rest.firstIndex(of: "=") else {
                throw FilterError("\(rest) is not of the form key=value")
            }
            let key = String(rest[..<equals])
            rest = rest[rest.index(after: equals)...]
            if rest.first == "\"" {
                guard let end = rest.dropFirst().firstIndex(of: "\"") else {
                    throw FilterError("\(key): the quote has no end")
                }
                pairs.append((key, String(rest[rest.index(after: rest.startIndex)..<end])))
                rest = rest[rest.index(after: end)...]
                guard rest.first.map({ $0 == " " || $0 == "\t" }) ?? true else {
                    throw FilterError("\(key): no blank after the quoted value")
                }
            } else {
                let end = rest.firstIndex { $0 == " " || $0 == "\t" } ?? rest.endIndex
                pairs.append((key, String(rest[..<end])))
                rest = rest[end...]
            }
        }
    }
}
