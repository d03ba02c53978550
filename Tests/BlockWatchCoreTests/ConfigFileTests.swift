import Testing

@testable import BlockWatchCore

@Suite struct `A config file's text` {
    private func parse(_ text: String) throws(ConfigFile.ParseError) -> ConfigFile { try ConfigFile(Array(text.utf8)) }

    private func mistake(_ bytes: [UInt8]) -> ConfigFile.ParseError? {
        do throws(ConfigFile.ParseError) { _ = try ConfigFile(bytes) } catch { return error }
        return nil
    }

    private func mistake(_ text: String) -> ConfigFile.ParseError? { mistake(Array(text.utf8)) }

    @Test(arguments: ["", "\n", "\r\n\r\n", "# only a comment", "  \t\n\t# another\r\n"])
    func `may say nothing`(text: String) throws { #expect(try parse(text) == parse("")) }

    @Test func `may end without a newline, and its lines with CR LF`() throws {
        let config = try parse("threshold = 5s\r\nall = true")
        #expect(
            config.entries == [
                .init(line: 1, key: "threshold", value: "5s"), .init(line: 2, key: "all", value: "true"),
            ])
    }

    @Test func `keeps the order and every line of a repeated key`() throws {
        let config = try parse("comm = a\nthreshold = 1s\n\ncomm = b\n")
        #expect(config.entries.map(\.key) == ["comm", "threshold", "comm"])
        #expect(config.entries.map(\.value) == ["a", "1s", "b"])
        #expect(config.entries.map(\.line) == [1, 2, 4])
    }

    @Test func `keeps what a value holds: equals signs, hashes, blanks and nothing`() throws {
        let config = try parse("path = /srv/a=b\noutput=/var/log/a #1\n\tcomm\t=\tborg backup \t\nmetrics =\n")
        #expect(config.entries.map(\.value) == ["/srv/a=b", "/var/log/a #1", "borg backup", ""])
    }

    @Test func `keeps the rules apart from the options, in order`() throws {
        let config = try parse("ignore.b = comm=borg syscall=read max=2h\nthreshold = 1s\nignore.a = pid=1\n")
        #expect(config.ignoreRules.map(\.name) == ["b", "a"])
        #expect(config.ignoreRules.first?.conditions == [.comm: ["borg"], .syscall: ["read"]])
        #expect(config.ignoreRules.first?.maxNanoseconds == 7_200_000_000_000)
        #expect(config.entries.map(\.key) == ["threshold"])
    }

    @Test func `says of a rule which one is wrong and why`() {
        #expect(mistake("\nignore.a = colour=red\n").map { $0.line } == 2)
        #expect(
            mistake("ignore.a = colour=red")?.what.hasPrefix("ignore.a: unknown condition colour; known are syscall")
                == true)
        #expect(mistake("ignore.a = comm=x max=5")?.what.hasPrefix("ignore.a: max: ") == true)
        #expect(mistake("ignore.a = comm=\"x")?.what == "ignore.a: comm: the quote has no end")
        #expect(mistake("ignore.a = max=1h")?.what == "ignore.a: a rule without a condition would ignore every call")
        #expect(mistake("ignore.a = pid=1\n# x\nignore.a = pid=2") == .init(line: 3, what: "there is a rule a already"))
    }

    @Test func `names the line of bytes that are no text, also behind good ones`() {
        for bytes: [UInt8] in [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0x61, 0, 0x62]] {
            #expect(mistake(Array("# fine\r\nall = true\n".utf8) + bytes) == .init(line: 3, what: "not UTF-8 text"))
        }
    }

    @Test func `may begin with a byte order mark`() throws {
        #expect(try ConfigFile([0xef, 0xbb, 0xbf] + Array("all = true\n".utf8)) == parse("all = true\n"))
    }

    @Test func `tells what the host knows against a rule`() {
        do throws(ConfigFile.ParseError) {
            _ = try ConfigFile(Array("\nignore.a = user=nope\n".utf8)) { rule throws(FilterError) in
                throw FilterError("no \(rule.name)")
            }
            Issue.record("accepted")
        } catch { #expect(error == .init(line: 2, what: "ignore.a: no a")) }
    }

    @Test func `has an end`() {
        let comment = [UInt8](repeating: UInt8(ascii: "#"), count: ConfigFile.sizeLimit - 1)
        #expect(mistake(comment) == nil)
        #expect(mistake(comment + comment)?.what == "larger than 1 MiB")
    }
}
