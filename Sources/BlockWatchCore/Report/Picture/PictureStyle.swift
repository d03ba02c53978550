/// The colours of the formats that have some: by verdict, alike in all of them, with names for those who see no colours.
enum PictureStyle {
    /// Fill and line.
    static func colors(_ node: Picture.Node) -> (fill: String, line: String) {
        if node.isInDeadlock { return ("#f9c9c9", "#c00000") }
        switch node.kind {
        case .object, .set: return ("#ffffff", "#707070")
        case .nobody, .remote, .network, .device: return ("#ececf4", "#404060")
        case .thread, .process: break
        }
        switch node.verdict {
        case .deadlock: return ("#f9c9c9", "#c00000")
        case .stuck: return ("#fbdcb8", "#b05a00")
        case .waiting: return ("#fbf3c0", "#8a7a00")
        case .busy: return ("#d5e8fa", "#2a6db0")
        case .idle: return ("#e6f2e2", "#5a8a4a")
        case nil: return ("#f4f4f4", "#606060")
        }
    }

    static let deadlockLine = "#c00000"
    static let line = "#555555"
}
