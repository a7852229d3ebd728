import Tensors

extension FileOutput {
  func write(_ piece: WireWriter.Piece) throws {
    switch piece {
    case .bytes(let bytes): try write(bytes)
    case .tensor(let tensor): try write(tensor)
    }
  }

  func write(_ message: WireWriter) throws {
    for piece in message.all { try write(piece) }
  }
}
