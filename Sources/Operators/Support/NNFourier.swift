#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Discrete Fourier transforms of any length: one pass for each small prime factor, as FFTPACK (Swarztrauber 1982) and with it
/// NumPy have them, in the type of the data; Bluestein's chirp in double where a prime factor is large.
enum NNFourier {
  private static let largestRadix = 61

  /// Transforms in place; the inverse is not divided by the length.
  static func transform<T: BinaryFloatingPoint>(_ re: inout [T], _ im: inout [T], isInverse: Bool) {
    let n = re.count
    if n <= 1 { return }
    var factors: [Int] = []
    var rest = n
    var candidate = 2
    while candidate <= largestRadix && rest > 1 {
      while rest % candidate == 0 {
        factors.append(candidate)
        rest /= candidate
      }
      candidate += candidate == 2 ? 1 : 2
    }
    if rest == 1 { return mixedRadix(&re, &im, factors, isInverse: isInverse) }
    var (x, y) = (re.map { Double($0) }, im.map { Double($0) })
    bluestein(&x, &y, isInverse: isInverse)
    (re, im) = (x.map { T($0) }, y.map { T($0) })
  }

  /// Real and imaginary parts in memory.
  private struct Plane<T: BinaryFloatingPoint> {
    var re: UnsafeMutablePointer<T>
    var im: UnsafeMutablePointer<T>
  }

  private static func mixedRadix<T: BinaryFloatingPoint>(
    _ re: inout [T], _ im: inout [T], _ factors: [Int], isInverse: Bool
  ) {
    let n = re.count
    withUnsafeTemporaryAllocation(of: T.self, capacity: 6 * n) { memory in
      guard let base = memory.baseAddress else { return }
      func plane(_ index: Int) -> Plane<T> { Plane(re: base + 2 * index * n, im: base + (2 * index + 1) * n) }
      var (data, other, turns) = (plane(0), plane(1), plane(2))
      let angle = (isInverse ? 2 : -2) * Double.pi / Double(n)
      for k in 0..<n {
        (data.re[k], data.im[k]) = (re[k], im[k])
        (turns.re[k], turns.im[k]) = (T(cos(angle * Double(k))), T(sin(angle * Double(k))))
      }
      var done = 1
      for radix in factors {
        let step = n / (done * radix)
        for k in 0..<done {
          for i in 0..<step {
            Butterfly(radix: radix, step: step, outStep: step * done, turn: done * i, length: n, turns: turns).run(
              data, from: i + step * radix * k, other, to: i + step * k)
          }
        }
        swap(&data, &other)
        done *= radix
      }
      for k in 0..<n { (re[k], im[k]) = (data.re[k], data.im[k]) }
    }
  }

  /// The transform of `radix` elements that lie `step` apart.
  private struct Butterfly<T: BinaryFloatingPoint> {
    let radix: Int
    let step: Int
    /// Between the results; result u is turned by the factor of index u * turn.
    let outStep: Int
    let turn: Int
    let length: Int
    let turns: Plane<T>

    @inline(__always)
    private func write(_ out: Plane<T>, _ target: Int, _ u: Int, _ r: T, _ i: T) {
      let place = target + outStep * u
      if u == 0 || turn == 0 {
        (out.re[place], out.im[place]) = (r, i)
      } else {
        let (c, s) = (turns.re[u * turn], turns.im[u * turn])
        (out.re[place], out.im[place]) = (r * c - i * s, r * s + i * c)
      }
    }

    @inline(__always)
    func run(_ x: Plane<T>, from start: Int, _ out: Plane<T>, to target: Int) {
      let half = radix / 2
      if radix == 2 {
        let b = start + step
        write(out, target, 0, x.re[start] + x.re[b], x.im[start] + x.im[b])
        return write(out, target, 1, x.re[start] - x.re[b], x.im[start] - x.im[b])
      }
      // A turn of this pass is one of the whole length, too.
      let unit = length / radix
      var (sumRe, sumIm) = (x.re[start], x.im[start])
      for j in 1...half {
        let (a, b) = (start + step * j, start + step * (radix - j))
        sumRe += x.re[a] + x.re[b]
        sumIm += x.im[a] + x.im[b]
      }
      write(out, target, 0, sumRe, sumIm)
      for u in 1...half {
        var (evenRe, evenIm) = (x.re[start], x.im[start])
        var (oddRe, oddIm) = (T(0), T(0))
        // Pairs from both ends share their cosine, and their sine up to the sign.
        for j in 1...half {
          let (a, b) = (start + step * j, start + step * (radix - j))
          let index = u * j % radix
          let isUpper = index > half
          let c = turns.re[unit * (isUpper ? radix - index : index)]
          let s = isUpper ? -turns.im[unit * (radix - index)] : turns.im[unit * index]
          evenRe += c * (x.re[a] + x.re[b])
          evenIm += c * (x.im[a] + x.im[b])
          oddRe += s * (x.im[a] - x.im[b])
          oddIm += s * (x.re[a] - x.re[b])
        }
        write(out, target, u, evenRe - oddRe, evenIm + oddIm)
        write(out, target, radix - u, evenRe + oddRe, evenIm - oddIm)
      }
    }
  }

  private static func radix2(_ re: inout [Double], _ im: inout [Double], isInverse: Bool) {
    let n = re.count
    var j = 0
    for i in 1..<n {
      var bit = n >> 1
      while j & bit != 0 {
        j ^= bit
        bit >>= 1
      }
      j |= bit
      if i < j {
        re.swapAt(i, j)
        im.swapAt(i, j)
      }
    }
    var length = 2
    while length <= n {
      let angle = (isInverse ? 2 : -2) * Double.pi / Double(length)
      let half = length / 2
      let factors = (0..<half).map { (cos(angle * Double($0)), sin(angle * Double($0))) }
      for start in stride(from: 0, to: n, by: length) {
        for k in 0..<half {
          let (c, s) = factors[k]
          let (x, y) = (re[start + k + half], im[start + k + half])
          let (tr, ti) = (x * c - y * s, x * s + y * c)
          re[start + k + half] = re[start + k] - tr
          im[start + k + half] = im[start + k] - ti
          re[start + k] += tr
          im[start + k] += ti
        }
      }
      length *= 2
    }
  }

  private static func bluestein(_ re: inout [Double], _ im: inout [Double], isInverse: Bool) {
    let n = re.count
    var m = 1
    while m < 2 * n + 1 { m *= 2 }
    let sign: Double = isInverse ? 1 : -1
    // The square is reduced first: the angle stays small and exact.
    let chirp = (0..<n).map { k -> (Double, Double) in
      let angle = sign * Double.pi * Double(k * k % (2 * n)) / Double(n)
      return (cos(angle), sin(angle))
    }
    var ar = [Double](repeating: 0, count: m)
    var ai = ar
    var br = ar
    var bi = ar
    for k in 0..<n {
      let (c, s) = chirp[k]
      ar[k] = re[k] * c - im[k] * s
      ai[k] = re[k] * s + im[k] * c
      br[k] = c
      bi[k] = -s
      if k > 0 {
        br[m - k] = c
        bi[m - k] = -s
      }
    }
    radix2(&ar, &ai, isInverse: false)
    radix2(&br, &bi, isInverse: false)
    for k in 0..<m { (ar[k], ai[k]) = (ar[k] * br[k] - ai[k] * bi[k], ar[k] * bi[k] + ai[k] * br[k]) }
    radix2(&ar, &ai, isInverse: true)
    for k in 0..<n {
      let (x, y) = (ar[k] / Double(m), ai[k] / Double(m))
      let (c, s) = chirp[k]
      re[k] = x * c - y * s
      im[k] = x * s + y * c
    }
  }
}
