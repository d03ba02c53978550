import ArgumentParser
import BlockWatchCore
import Glibc

struct SyscallsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "syscalls", abstract: "Print the system calls watched, their class, and what each waits for.",
        discussion: """
              blockwatch syscalls
              blockwatch syscalls --all --json
            """)

    @Flag(help: "Those that never block too.") var all = false

    @Flag(help: "One JSON object a line.") var json = false

    func run() {
        let tables = [Host.nativeABI, .i386].map { ($0, SyscallTable.table(for: $0)) }
        var byName: [String: (info: SyscallInfo, numbers: [ABI: Int])] = [:]
        for (abi, table) in tables {
            for info in table.all where all || info.kernelByte != 0 {
                byName[info.name, default: (info, [:])].numbers[abi] = info.number
            }
        }
        let rows = byName.sorted { $0.key < $1.key }.map(\.value)
        let native = Host.nativeABI.rawValue
        var text =
            json
            ? "" : "\(padded(native, 7)) \(padded("i386", 5)) \(padded("name", 26)) \(padded("class", 11)) waits for\n"
        for row in rows {
            let number = row.numbers[Host.nativeABI]
            let compat = row.numbers[.i386]
            if json {
                var line = JSONWriter()
                line.beginObject()
                line.string("name", row.info.name)
                if let number { line.integer(native, number) }
                if let compat { line.integer("i386", compat) }
                line.string("class", row.info.class.label)
                line.string("waits_for", row.info.waitsFor)
                line.endObject()
                line.newline()
                text += String(decoding: line.bytes, as: UTF8.self)
            } else {
                let numbers =
                    "\(padded(number.map(String.init) ?? "-", 7)) \(padded(compat.map(String.init) ?? "-", 5))"
                text +=
                    "\(numbers) \(padded(row.info.name, 26)) \(padded(row.info.class.label, 11)) \(row.info.waitsFor)\n"
            }
        }
        printOut(text)
    }

    private func padded(_ text: String, _ width: Int) -> String { TerminalText.padded(text, to: width) }
}
