#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Discrete Fourier transforms of any length in double: radix 2 where the length allows, Bluestein's chirp otherwise.
enum NNFourier {
  /// Transforms in place; the inverse is not divided by the length.
  static func transform(_ re: inout [Double], _ im: inout [Double], isInverse: Bool) {
    let n = re.count
    if n <= 1 { return }
    if n & (n - 1) == 0 { return radix2(&re, &im, isInverse: isInverse) }
    bluestein(&re, &im, isInverse: isInverse)
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
