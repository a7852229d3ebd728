import Tensors

/// Functions of one, two and three elements over whole tensors.
enum ElementwiseMaps {
  /// `f` of every element.
  static func map<A: ComputeElement, R: ComputeElement>(
    _ a: Tensor, to type: DataType, _ f: (A) -> R
  ) throws -> Tensor {
    let x = try ElementView<A>(a)
    return try Tensor.make(type, a.shape, as: R.self) { out in
      withExtendedLifetime(x) {
        let base = x.base
        let count = x.count
        var i = 0
        while i < count {
          out[i] = f(base[i])
          i &+= 1
        }
      }
    }
  }

  /// `f` of each pair of `a` and `b` broadcast to `shape`.
  static func map<A: ComputeElement, B: ComputeElement, R: ComputeElement>(
    _ a: Tensor, _ b: Tensor, to type: DataType, _ shape: [Int], _ f: (A, B) -> R
  ) throws -> Tensor {
    let x = try ElementView<A>(a)
    let y = try ElementView<B>(b)
    let walk = BroadcastWalk(shape, broadcasting: [a.shape, b.shape])
    return try Tensor.make(type, shape, as: R.self) { out in
      withExtendedLifetime((x, y)) {
        let count = walk.rowLength
        let (stepX, stepY) = (walk.rowStrides[0], walk.rowStrides[1])
        walk.forEachRow { position, offsets in
          let (p, q, o) = (x.base + offsets[0], y.base + offsets[1], out + position)
          var i = 0
          while i < count {
            o[i] = f(p[i &* stepX], q[i &* stepY])
            i &+= 1
          }
        }
      }
    }
  }

  /// `total[i] = f(total[i], a[i])` with `a` broadcast to `shape`.
  static func accumulate<T: ComputeElement>(
    _ a: Tensor, into total: UnsafeMutablePointer<T>, _ shape: [Int], _ f: (T, T) -> T
  ) throws {
    let x = try ElementView<T>(a)
    let walk = BroadcastWalk(shape, broadcasting: [a.shape])
    withExtendedLifetime(x) {
      let count = walk.rowLength
      let step = walk.rowStrides[0]
      walk.forEachRow { position, offsets in
        let (p, o) = (x.base + offsets[0], total + position)
        var i = 0
        while i < count {
          o[i] = f(o[i], p[i &* step])
          i &+= 1
        }
      }
    }
  }

  /// Elements of a bool tensor by truth of their byte, whatever the byte.
  static func truths(_ tensor: Tensor) throws -> [Bool] {
    guard tensor.dataType == .bool else { throw CameoError.badInput("bool was expected, \(tensor.dataType) is there") }
    return tensor.withUnsafeBytes { $0.map { $0 != 0 } }
  }
}
