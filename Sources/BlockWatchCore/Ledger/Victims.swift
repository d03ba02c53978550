/// How many open calls are behind each root, by chain id.
struct Victims {
    private var counts: [String: Int] = [:]

    var isEmpty: Bool { counts.isEmpty }
    func behind(_ chainID: String) -> Int { counts[chainID] ?? 0 }

    /// `nil` stands for no root that is known.
    mutating func move(from old: String?, to new: String?) {
        guard old != new else { return }
        count(old, -1)
        count(new, 1)
    }

    private mutating func count(_ chainID: String?, _ step: Int) {
        guard let chainID else { return }
        let count = behind(chainID) + step
        counts[chainID] = count > 0 ? count : nil
    }
}
