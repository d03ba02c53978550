import Testing

@testable import BlockWatchCore

@Suite struct `The addresses of a host` {
    @Test func `are those that other hosts know`() {
        let trie = """
            Main:
              +-- 0.0.0.0/0 3 0 5
                 |-- 0.0.0.0
                    /0 universe UNICAST
                 +-- 10.77.0.0/16 2 0 2
                    |-- 10.77.0.0
                       /16 link UNICAST
                    |-- 10.77.0.5
                       /32 host LOCAL
                    |-- 10.77.255.255
                       /32 link BROADCAST
                 |-- 127.0.0.1
                    /32 host LOCAL
                 |-- 169.254.0.7
                    /32 host LOCAL
            Local:
                    |-- 10.77.0.5
                       /32 host LOCAL
                    |-- 192.168.1.1
                       /32 host LOCAL
            """
        #expect(HostAddresses.v4(Array(trie.utf8)) == ["10.77.0.5", "192.168.1.1"])
        let table = """
            00000000000000000000000000000001 01 80 10 80       lo
            fd000000000000000000000000000005 02 40 00 80     eth0
            fe80000000000000fc7e2cfffe4c2f2a 02 40 20 80     eth0
            fd0000000000000000000000000000zz 02 40 00 80     eth0
            """
        #expect(HostAddresses.v6(Array(table.utf8)) == ["fd00::5"])
        #expect(HostAddresses.v4([0xff, 10, 0x7c]) == [] && HostAddresses.v6([]) == [])
    }
}
