import Glibc

/// stdout, where that is a terminal.
enum Terminal {
    static var isThere: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Its columns now, 80 where it does not say; `nil`: no terminal, nothing is to be cut.
    static var width: Int? {
        guard let size = size(of: STDOUT_FILENO) else { return nil }
        return size.columns > 0 ? max(size.columns, 40) : 80
    }

    /// Of any terminal, 0 where it does not say; `nil`: it is none.
    ///
    /// C function: `ioctl` with TIOCGWINSZ
    static func size(of descriptor: Int32) -> (columns: Int, rows: Int)? {
        var size = winsize()
        guard unsafe ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 else { return nil }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// `TERM`
    static var type: String { variable("TERM") }
    /// https://no-color.org: set to anything but nothing.
    static var refusesColor: Bool { !variable("NO_COLOR").isEmpty }
    static var usesColor: Bool { isThere && !refusesColor && type != "dumb" }

    /// Of the environment; empty where it is not set.
    static func variable(_ name: String) -> String { unsafe getenv(name).map { unsafe String(cString: $0) } ?? "" }
}
