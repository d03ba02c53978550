import Testing

@testable import BlockWatchCore

struct HashTests {
    @Test(
        "SHA-1 agrees with an independent implementation on both sides of every block border",
        arguments: [
            (0, "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (55, "c1c8bbdc22796e28c0e15163d20899b65621d65a"),
            (56, "c2db330f6083854c99d4b5bfb6e8f29f201be699"),
            (64, "0098ba824b5c16427bd7a1122a5a442a25ec644d"),
            (1000, "291e9a6c66994949b57ba5e650361e98fc36b1ba"),
        ])
    func sha1(length: Int, digest: String) {
        #expect(ByteText.hex(SHA1.digest([UInt8](repeating: UInt8(ascii: "a"), count: length))) == digest)
    }

    @Test func sha1OfABC() {
        #expect(ByteText.hex(SHA1.digest(Array("abc".utf8))) == "a9993e364706816aba3e25717850c26c9cd0d89d")
    }

    @Test(
        "Base64 of RFC 4648, section 10",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ])
    func base64(plain: String, encoded: String) {
        #expect(ByteText.base64(Array(plain.utf8)) == encoded)
    }

    @Test func base64UsesPlusAndSlash() { #expect(ByteText.base64([0xfb, 0xff, 0xbf]) == "+/+/") }

    @Test func hexIsLowerCaseWithLeadingZeros() { #expect(ByteText.hex([0x00, 0x0f, 0xa0, 0xff]) == "000fa0ff") }

    // MARK: - Community ID

    private func id(
        _ number: UInt8, _ source: [UInt8], _ sourcePort: UInt16, _ destination: [UInt8], _ destinationPort: UInt16
    ) -> String? {
        CommunityID.text(
            protocolNumber: number, source: source, sourcePort: sourcePort, destination: destination,
            destinationPort: destinationPort)
    }

    private let tcp = "1:LQU9qZlK+B5F3KDmev6m5PMibrg="

    @Test func theVectorsOfTheSpecification() {
        #expect(id(6, [128, 232, 110, 120], 34855, [66, 35, 250, 204], 80) == tcp)
        #expect(id(17, [192, 168, 1, 52], 54585, [8, 8, 8, 8], 53) == "1:d/FP5EW3wiY1vCndhwleRRKHowQ=")
    }

    @Test func bothDirectionsHaveOneID() {
        #expect(id(6, [66, 35, 250, 204], 80, [128, 232, 110, 120], 34855) == tcp)
    }

    @Test func theSmallerPortIsFirstWhereAddressesAreEqual() {
        let expected = "1:Ic9jVMzPHgSxEA2AM5OdYv/MkYk="
        #expect(id(6, [127, 0, 0, 1], 40001, [127, 0, 0, 1], 3306) == expected)
        #expect(id(6, [127, 0, 0, 1], 3306, [127, 0, 0, 1], 40001) == expected)
    }

    @Test func ipv6() {
        let prefix: [UInt8] = [0x20, 0x01, 0x0d, 0xb8] + [UInt8](repeating: 0, count: 11)
        #expect(id(6, prefix + [1], 40000, prefix + [2], 443) == "1:RYG3Msb11GthNt1OYXJouPzmrvA=")
    }

    @Test func ipv4InsideIPv6CountsAsIPv4() {
        let mapping = [UInt8](repeating: 0, count: 10) + [0xff, 0xff]
        #expect(id(6, mapping + [128, 232, 110, 120], 34855, mapping + [66, 35, 250, 204], 80) == tcp)
        #expect(id(6, mapping + [128, 232, 110, 120], 34855, [66, 35, 250, 204], 80) == tcp)
    }

    @Test func otherProtocolsAndHalvesOfAddressesHaveNone() {
        #expect(id(1, [1, 2, 3, 4], 8, [1, 2, 3, 5], 0) == nil)
        #expect(id(6, [1, 2, 3], 8, [1, 2, 3], 0) == nil)
        #expect(id(6, [1, 2, 3, 4], 8, [UInt8](repeating: 1, count: 16), 0) == nil)
        #expect(id(6, [], 8, [], 0) == nil)
    }
}
