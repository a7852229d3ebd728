#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A discrete Fourier transform of one length, in the precision of `T`: factors 4, 2 and odd ones up to 61 by the mixed-radix
/// form that sorts itself (Stockham), lengths with larger prime factors by Bluestein's chirp in double.
///
/// Singles are computed in single, with the factors in the order that NumPy's library takes them (a lone 2 first): the
/// standard's test data hold the rounding of that.
struct NNFourierPlan<T: BinaryFloatingPoint> {
  let length: Int
  let isInverse: Bool
  /// Empty where a prime factor is too large.
  private let factors: [Int]
  /// exp(-+ 2 pi i k / length).
  private let roots: [(re: T, im: T)]

  init(length: Int, isInverse: Bool) {
    self.length = length
    self.isInverse = isInverse
    factors = NNFourierPlan.factors(length)
    let sign: Double = isInverse ? 1 : -1
    roots =
      factors.isEmpty
      ? []
      : (0..<length).map { k in
        let angle = 2 * Double.pi * Double(k) / Double(length)
        return (T(cos(angle)), T(sign * sin(angle)))
      }
  }

  private static func factors(_ length: Int) -> [Int] {
    var (rest, result) = (length, [Int]())
    while rest % 4 == 0 {
      result.append(4)
      rest /= 4
    }
    if rest % 2 == 0 {
      result.insert(2, at: 0)
      rest /= 2
    }
    var divisor = 3
    while rest > 1, divisor <= 61 {
      while rest % divisor == 0 {
        result.append(divisor)
        rest /= divisor
      }
      divisor += 2
    }
    return rest == 1 ? result : []
  }

  /// Transforms `length` elements in place; the inverse is not divided by the length.
  func transform(_ re: inout [T], _ im: inout [T]) {
    if length <= 1 { return }
    if factors.isEmpty {
      var (x, y) = (re.map { Double($0) }, im.map { Double($0) })
      NNFourier.transform(&x, &y, isInverse: isInverse)
      for k in 0..<length { (re[k], im[k]) = (T(x[k]), T(y[k])) }
      return
    }
    var (otherRe, otherIm) = (re, im)
    var before = 1
    for factor in factors {
      switch factor {
      case 2: pass2(re, im, &otherRe, &otherIm, before)
      case 4: pass4(re, im, &otherRe, &otherIm, before)
      default: passOdd(factor, re, im, &otherRe, &otherIm, before)
      }
      swap(&re, &otherRe)
      swap(&im, &otherIm)
      before *= factor
    }
  }

  /// Puts x + iy, turned by the root of `power`, at `index`.
  @inline(__always)
  private func turn(_ x: T, _ y: T, _ power: Int, _ outRe: inout [T], _ outIm: inout [T], _ index: Int) {
    if power == 0 {
      (outRe[index], outIm[index]) = (x, y)
    } else {
      let root = roots[power]
      (outRe[index], outIm[index]) = (x * root.re - y * root.im, x * root.im + y * root.re)
    }
  }

  private func pass2(_ re: [T], _ im: [T], _ outRe: inout [T], _ outIm: inout [T], _ before: Int) {
    let after = length / (2 * before)
    for block in 0..<before {
      for i in 0..<after {
        let (a, b) = (i + after * 2 * block, i + after * (2 * block + 1))
        let place = i + after * block
        (outRe[place], outIm[place]) = (re[a] + re[b], im[a] + im[b])
        turn(re[a] - re[b], im[a] - im[b], before * i, &outRe, &outIm, place + after * before)
      }
    }
  }

  private func pass4(_ re: [T], _ im: [T], _ outRe: inout [T], _ outIm: inout [T], _ before: Int) {
    let after = length / (4 * before)
    let sign: T = isInverse ? 1 : -1
    for block in 0..<before {
      for i in 0..<after {
        let at = i + after * 4 * block
        let (a, b, c, d) = (at, at + after, at + 2 * after, at + 3 * after)
        let (sumRe, sumIm) = (re[a] + re[c], im[a] + im[c])
        let (differenceRe, differenceIm) = (re[a] - re[c], im[a] - im[c])
        let (otherRe, otherIm) = (re[b] + re[d], im[b] + im[d])
        // i (b - d), or its negative.
        let (turnedRe, turnedIm) = (-sign * (im[b] - im[d]), sign * (re[b] - re[d]))
        let place = i + after * block
        let step = after * before
        (outRe[place], outIm[place]) = (sumRe + otherRe, sumIm + otherIm)
        turn(
          differenceRe + turnedRe, differenceIm + turnedIm, before * i % length, &outRe, &outIm, place + step)
        turn(sumRe - otherRe, sumIm - otherIm, 2 * before * i % length, &outRe, &outIm, place + 2 * step)
        turn(
          differenceRe - turnedRe, differenceIm - turnedIm, 3 * before * i % length, &outRe, &outIm, place + 3 * step)
      }
    }
  }

  /// An odd factor: the terms j and factor - j go together, their sums with cosines, their differences with sines.
  private func passOdd(
    _ factor: Int, _ re: [T], _ im: [T], _ outRe: inout [T], _ outIm: inout [T], _ before: Int
  ) {
    let after = length / (factor * before)
    let half = factor / 2
    let stride = length / factor
    var sums = [(re: T, im: T)](repeating: (0, 0), count: half)
    var differences = sums
    for block in 0..<before {
      for i in 0..<after {
        let at = i + after * factor * block
        let place = i + after * block
        var (totalRe, totalIm) = (re[at], im[at])
        for j in 1...half {
          let (p, q) = (at + after * j, at + after * (factor - j))
          sums[j - 1] = (re[p] + re[q], im[p] + im[q])
          differences[j - 1] = (re[p] - re[q], im[p] - im[q])
          totalRe += sums[j - 1].re
          totalIm += sums[j - 1].im
        }
        (outRe[place], outIm[place]) = (totalRe, totalIm)
        for u in 1...half {
          var (evenRe, evenIm) = (re[at], im[at])
          var (oddRe, oddIm): (T, T) = (0, 0)
          for j in 1...half {
            let root = roots[u * j % factor * stride]
            evenRe += root.re * sums[j - 1].re
            evenIm += root.re * sums[j - 1].im
            oddRe -= root.im * differences[j - 1].im
            oddIm += root.im * differences[j - 1].re
          }
          let step = after * before
          turn(evenRe + oddRe, evenIm + oddIm, u * before * i % length, &outRe, &outIm, place + u * step)
          turn(
            evenRe - oddRe, evenIm - oddIm, (factor - u) * before * i % length, &outRe, &outIm,
            place + (factor - u) * step)
        }
      }
    }
  }
}

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
