import BlockWatchCore
import Glibc

/// `top` on a terminal: keys, looks and signals in, frames out. It waits for nothing else.
struct TopLoop {
    private var top: Top
    private let terminal: TerminalDevice
    private let signals: Signals
    private let files: KeptFiles
    private let desk: LookDesk
    private let graphviz: Graphviz?
    private var painter: Painter
    private var keys = KeyDecoder()
    private let isRecorded: Bool
    /// Ages go on between looks.
    private var nextTick: UInt64 = 0
    private static let tick: UInt64 = 1_000_000_000

    init(
        _ top: Top, _ terminal: TerminalDevice, _ signals: Signals, _ files: KeptFiles, _ desk: LookDesk,
        _ graphviz: Graphviz?, isRecorded: Bool
    ) {
        self.top = top
        self.terminal = terminal
        self.signals = signals
        self.files = files
        self.desk = desk
        self.graphviz = graphviz
        self.isRecorded = isRecorded
        painter = Painter(usesColor: terminal.usesColor, isASCII: terminal.isASCII)
    }

    /// Until a key or a signal ends it, or the terminal is gone.
    mutating func run() {
        terminal.enter()
        defer { terminal.leave() }
        draw()
        while true {
            wait(until: nextTick)
            if terminal.isGone { return }
            var isChanged = Clock.now().monotonic >= nextTick
            for signal in signals.take() {
                switch signal {
                case SIGINT, SIGTERM, SIGHUP: return
                case SIGTSTP: pause()
                case SIGCONT: resume()
                default: break
                }
                isChanged = true
            }
            for message in files.takeMessages() {
                top.say(message)
                isChanged = true
            }
            if let look = desk.take() {
                top.update(look)
                isChanged = true
            }
            if let answer = desk.takeAnswer() {
                top.told(answer.wish, answer.lines)
                isChanged = true
            }
            var typed = keys.feed(terminal.read())
            if typed.isEmpty, keys.isWaiting { typed = escape() }
            for key in typed {
                isChanged = true
                guard press(key) else { return }
            }
            terminal.flush()
            if isChanged { draw() }
        }
    }

    /// - Returns: false if it was the last one.
    private mutating func press(_ key: Key) -> Bool {
        let wasPaused = top.isPaused
        switch top.press(key) {
        case .quit: return false
        case .write:
            files.keep(Array(top.text(at: now()).map { $0 + "\n" }.joined().utf8), "txt", at: Clock.now().wall)
        case .draw:
            if let picture = top.picture() {
                if graphviz != nil { top.say("drawing \(picture.nodes.count) nodes") }
                files.draw(Array(picture.dot().utf8), with: graphviz, at: Clock.now().wall)
            }
        case .stack(let wish): desk.ask { $0.stack = wish }
        case .seek(let hundredths): desk.ask { $0.hundredths.append(hundredths) }
        case nil: break
        }
        let isPaused = top.isPaused
        if isPaused != wasPaused { desk.ask { $0.isPaused = isPaused } }
        return true
    }

    /// What ages count by.
    private func now() -> UInt64 { isRecorded ? 0 : Clock.now().monotonic }

    /// A terminal that has not taken the last frame gets none: it would only be late.
    private mutating func draw() {
        nextTick = Clock.now().monotonic + Self.tick
        guard !terminal.hasPending else { return }
        let size = terminal.size
        let bytes = painter.paint(top.screen(width: size.width, height: size.height, at: now()))
        if !bytes.isEmpty { terminal.send(bytes) }
    }

    private func wait(until next: UInt64) {
        let now = Clock.now().monotonic
        let nanoseconds = next > now ? next - now : 0
        // what the terminal has not taken is given to it as soon as it has room
        let output = terminal.hasPending ? Int16(POLLOUT) : 0
        var requests = [
            pollfd(fd: terminal.descriptor, events: Int16(POLLIN) | output, revents: 0),
            pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: files.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: desk.descriptor, events: Int16(POLLIN), revents: 0),
        ]
        _ = unsafe poll(&requests, nfds_t(requests.count), Int32(clamping: nanoseconds / 1_000_000 + 1))
        if requests[0].revents & Int16(POLLHUP | POLLERR | POLLNVAL) != 0 { terminal.close() }
    }

    /// An escape alone is a key, with something behind it that comes at once a part of one.
    private mutating func escape() -> [Key] {
        var request = pollfd(fd: terminal.descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&request, 1, 50) > 0 else { return keys.giveUp() }
        return keys.feed(terminal.read())
    }

    // MARK: - stopped and continued

    private mutating func pause() {
        terminal.leave()
        raise(SIGSTOP)
        resume()
    }

    /// Whoever had the terminal meanwhile has left it as he liked.
    private mutating func resume() {
        terminal.enter()
        painter.forget()
    }
}
