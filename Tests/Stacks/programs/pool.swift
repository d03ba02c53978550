import Glibc
final class Pool {
    var descriptor: Int32; init(_ d: Int32) { descriptor = d }
    @inline(never) func checkout(name: String) -> Int { var byte: UInt8 = 0; return read(descriptor, &byte, 1) }
}
@inline(never) func serve(_ pool: Pool) -> Int { pool.checkout(name: "x") + 1 }
var ends: [Int32] = [0, 0]; pipe(&ends)
print(serve(Pool(ends[0])))
