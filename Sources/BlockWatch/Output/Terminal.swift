import Glibc

/// stdout, where that is a terminal.
enum Terminal {
    static var isThere: Bool { isatty(STDOUT_FILENO) == 1 }

    /// Its columns now, 80 where it does not say; `nil`: no terminal, nothing is to be cut.
    ///
    /// C function: `ioctl` with TIOCGWINSZ
    static var width: Int? {
        var size = winsize()
        guard unsafe ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 else { return nil }
        return size.ws_col > 0 ? max(Int(size.ws_col), 40) : 80
    }

    /// https://no-color.org: set to anything but nothing.
    static var usesColor: Bool {
        let noColor = unsafe getenv("NO_COLOR").map { unsafe String(cString: $0) } ?? ""
        let type = unsafe getenv("TERM").map { unsafe String(cString: $0) } ?? ""
        return isThere && noColor.isEmpty && type != "dumb"
    }
}
