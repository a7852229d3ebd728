/// A sentence in which `*` stands for whatever is named there.
public struct SentencePattern: Hashable, Sendable {
  public let text: String
  private let parts: [Substring]

  public init(_ text: String) {
    self.text = text
    parts = text.split(separator: "*", omittingEmptySubsequences: false)
  }

  /// How many characters are given.
  var weight: Int { parts.reduce(0) { $0 + $1.count } }

  /// True where the sentence has all parts in order.
  public func isPart(of sentence: String) -> Bool { end(in: sentence[...], parts[...]) != nil }

  /// True where the sentence is this and nothing more.
  public func matches(_ sentence: String) -> Bool {
    guard let first = parts.first, let last = parts.last else { return false }
    if parts.count == 1 { return sentence == text }
    guard sentence.hasPrefix(first), sentence.hasSuffix(last), sentence.count >= first.count + last.count else {
      return false
    }
    return end(in: sentence.dropFirst(first.count).dropLast(last.count), parts.dropFirst().dropLast()) != nil
  }

  /// Where the last part ends, each taken as early as it can be.
  private func end(in text: Substring, _ parts: ArraySlice<Substring>) -> String.Index? {
    var rest = text
    for part in parts where !part.isEmpty {
      guard let found = SentencePattern.range(of: part, in: rest) else { return nil }
      rest = rest[found.upperBound...]
    }
    return rest.startIndex
  }

  private static func range(of part: Substring, in text: Substring) -> Range<String.Index>? {
    var start = text.startIndex
    while start <= text.endIndex {
      let tail = text[start...]
      if tail.hasPrefix(part) { return start..<text.index(start, offsetBy: part.count) }
      if start == text.endIndex { return nil }
      start = text.index(after: start)
    }
    return nil
  }
}
