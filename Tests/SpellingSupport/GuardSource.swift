import Foundation
import TestSupport

/// Reads off a Swift file what its refusals say.
///
/// Each string in the arguments of `Refusal(...)`, of a function `refusal(...)` that makes one and of `stop(...)` is a sentence,
/// those that `+` joins are one, and what is interpolated is `*`. In a rule text it is what stands behind a condition.
struct GuardSource {
  private let text: [UInt8]
  private var place = 0
  private(set) var sentences: [String] = []

  /// The sentences of a file of the repository, in order.
  static func sentences(of path: String) throws -> [String] {
    let data = try Data(contentsOf: Repository.root.appending(path: path))
    if path.hasPrefix("Passes/Rules/") { return ruleSentences(String(decoding: data, as: UTF8.self)) }
    var source = GuardSource(data)
    source.run()
    return source.sentences
  }

  /// What stands behind the conditions of a rule text (`count(s) == 1 : "the scales go along an axis"`), `*` for what is in braces.
  private static func ruleSentences(_ text: String) -> [String] {
    text.matches(of: /:\s+"([^"\n]+)"/).map { String($0.1.replacing(/{[^}]*}/, with: "*")) }
  }

  init(_ data: Data) { text = Array(data) }

  private static let callees = ["Refusal(", "refusal(", "stop("].map { Array($0.utf8) }

  private mutating func run() {
    while place < text.count {
      if skipsComment() { continue }
      if text[place] == UInt8(ascii: "\"") {
        _ = literal()
      } else if let callee = GuardSource.callees.first(where: { text[place...].starts(with: $0) }),
        place == 0 || !isName(text[place - 1])
      {
        place += callee.count
        arguments()
      } else {
        place += 1
      }
    }
  }

  private func isName(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"): true
    default: false
    }
  }

  /// Up to the closing parenthesis.
  private mutating func arguments() {
    var depth = 1
    var joins = false
    while place < text.count, depth > 0 {
      if skipsComment() { continue }
      let byte = text[place]
      if byte == UInt8(ascii: "\"") {
        let found = literal()
        if joins, let last = sentences.popLast() {
          sentences.append(last + found)
        } else if found.contains(" ") {
          sentences.append(found)
        }
        joins = false
        continue
      }
      switch byte {
      case UInt8(ascii: "("), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: ")"), UInt8(ascii: "]"): depth -= 1
      default: break
      }
      if byte != UInt8(ascii: " ") && byte != UInt8(ascii: "\n") { joins = byte == UInt8(ascii: "+") }
      place += 1
    }
  }

  /// From one quote to the other.
  private mutating func literal() -> String {
    var bytes: [UInt8] = []
    place += 1
    while place < text.count, text[place] != UInt8(ascii: "\"") {
      if text[place] == UInt8(ascii: "\\"), place + 1 < text.count {
        if text[place + 1] == UInt8(ascii: "(") {
          place += 2
          skipInterpolation()
          bytes.append(UInt8(ascii: "*"))
          continue
        }
        place += 1
      }
      bytes.append(text[place])
      place += 1
    }
    place += 1
    return String(decoding: bytes, as: UTF8.self)
  }

  private mutating func skipInterpolation() {
    var depth = 1
    while place < text.count, depth > 0 {
      switch text[place] {
      case UInt8(ascii: "\""):
        _ = literal()
        continue
      case UInt8(ascii: "("): depth += 1
      case UInt8(ascii: ")"): depth -= 1
      default: break
      }
      place += 1
    }
  }

  private mutating func skipsComment() -> Bool {
    guard place + 1 < text.count, text[place] == UInt8(ascii: "/"), text[place + 1] == UInt8(ascii: "/") else {
      return false
    }
    while place < text.count, text[place] != UInt8(ascii: "\n") { place += 1 }
    return true
  }
}
