@testable import BlockWatchCore

/// A recording of anybody's: as it is, or entries of the input's in frames that hold.
func fuzzTape(_ bytes: [UInt8]) {
    var input = Input(bytes)
    let isRaw = input.byte() & 1 != 0
    var tape = TapeFile.magic
    if isRaw {
        tape += input.rest()
    } else {
        tape += TapeFile.frame(.settings([TapeSetting("threshold", "1000000000"), TapeSetting("verdict", "stuck")]))
        while !input.isEmpty {
            let entry = [input.byte()] + input.take(Int(input.number(2)))
            let packed = TapePacking.packed(entry)
            require(TapePacking.unpacked(packed[...], most: entry.count) == entry, "packed as something else")
            var frame = TapeWriter()
            frame.text(packed)
            tape += frame.bytes
        }
    }
    do throws(TapeError) {
        let first = try lines(tape)
        require(try lines(tape) == first, "played again it says something else")
    } catch {
        require((0...tape.count).contains(error.offset) && !error.what.isEmpty, "\(error)")
        checkText(TerminalText.escaped(error.what))
    }
}

private func lines(_ tape: [UInt8]) throws(TapeError) -> [[UInt8]] {
    let player = try TapePlayer(tape)
    var ndjson = NDJSON(player.host.origin)
    var lines: [[UInt8]] = []
    let outcome = try player.play { saying in
        switch saying {
        case .record(let record):
            let line = ndjson.line(record)
            checkNDJSON(line)
            lines.append(line)
        case .explanation(_, let explanation):
            for line in explanation?.lines() ?? [] {
                checkText(line)
                lines.append(Array(line.utf8))
            }
        case .reports(let calls, _, _):
            for line in Trees(calls: calls, deadlocks: []).lines() {
                checkText(line)
                lines.append(Array(line.utf8))
            }
        }
    }
    require(outcome.steps <= outcome.entries, "\(outcome.steps) steps of \(outcome.entries) entries")
    return lines
}
