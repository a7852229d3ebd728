"""What Tools/measure-operators measures: an operator, and the same computation without it.

A case is (operator, form, values, fused, decomposed[, weights]): values by name, ONNX text of the nodes that compute y. Values whose
names are in `weights`, and everything of up to 16 elements, are initializers, the others inputs."""
import math

import numpy as np

R = np.random.default_rng(5)


def f(*shape, scale=1.0):
    return (R.standard_normal(shape) * scale).astype(np.float32)


def u(*shape):
    return R.random(shape).astype(np.float32) + 0.1


def ints(*values):
    return np.array(values, np.int64)


def num(value):
    return np.array(value, np.float32)


X = lambda: {"x": f(1, 128, 3072)}
ONES = {"one": num(1), "half": num(0.5), "two": num(2), "zero": num(0)}


def activations():
    c = {**ONES, "root2": num(math.sqrt(2)), "k": num(0.044715), "r": num(math.sqrt(2 / math.pi)), "three": num(3), "six": num(6),
         "a": num(0.25), "alpha": num(1.702), "lambda": num(1.0507), "sa": num(1.67326), "b": num(0.2)}
    spell = lambda form, fused, plain: (fused.split("= ")[1].split()[0], form, {**X(), **c}, fused, plain)
    return [
        spell("erf", "y = Gelu (x)", "d = Div (x, root2) e = Erf (d) s = Add (e, one) m = Mul (x, s) y = Mul (m, half)"),
        spell("tanh", 'y = Gelu <approximate = "tanh"> (x)',
              "x2 = Mul (x, x) x3 = Mul (x2, x) i = Mul (x3, k) j = Add (x, i) l = Mul (j, r) t = Tanh (l) s = Add (t, one) m = Mul (x, s) y = Mul (m, half)"),
        spell("", "y = Swish (x)", "s = Sigmoid (x) y = Mul (x, s)"),
        spell("alpha 1.702", "y = Swish <alpha = 1.702> (x)", "v = Mul (x, alpha) s = Sigmoid (v) y = Mul (x, s)"),
        spell("", "y = HardSwish (x)", "s = HardSigmoid <alpha = 0.16666667, beta = 0.5> (x) y = Mul (x, s)"),
        spell("", "y = Mish (x)", "s = Softplus (x) t = Tanh (s) y = Mul (x, t)"),
        spell("", "y = Softplus (x)", "e = Exp (x) s = Add (e, one) y = Log (s)"),
        spell("", "y = Softsign (x)", "n = Abs (x) s = Add (n, one) y = Div (x, s)"),
        spell("", "y = HardSigmoid (x)", "m = Mul (x, b) s = Add (m, half) y = Clip (s, zero, one)"),
        spell("", "y = Sigmoid (x)", "n = Neg (x) e = Exp (n) s = Add (e, one) y = Reciprocal (s)"),
        spell("", "y = Elu (x)", "e = Exp (x) m = Sub (e, one) g = Greater (x, zero) y = Where (g, x, m)"),
        spell("", "y = Celu (x)", "p = Relu (x) e = Exp (x) m = Sub (e, one) n = Min (m, zero) y = Add (p, n)"),
        spell("", "y = Selu (x)", "e = Exp (x) m = Sub (e, one) n = Mul (m, sa) g = Greater (x, zero) w = Where (g, x, n) y = Mul (w, lambda)"),
        spell("", "y = LeakyRelu <alpha = 0.25> (x)", "m = Mul (x, a) y = Max (x, m)"),
        spell("", "y = ThresholdedRelu <alpha = 1.0> (x)", "g = Greater (x, one) y = Where (g, x, zero)"),
        spell("one slope", "y = PRelu (x, a)", "m = Mul (x, a) g = Less (x, zero) y = Where (g, m, x)"),
        spell("", "y = Clip (x, zero, six)", "p = Max (x, zero) y = Min (p, six)"),
        spell("", "y = Shrink <lambd = 0.5> (x)", "n = Abs (x) g = Greater (n, half) y = Where (g, x, zero)"),
        spell("", "y = Relu (x)", "y = Max (x, zero)"),
    ]


def normalizations():
    row = {"x": f(1, 128, 768), "w": u(768), "b": f(768), "eps": num(1e-5), "last": ints(-1), "two": num(2), "one": num(1)}
    image = {"x": f(1, 64, 32, 32), "s": u(64), "b": f(64), "m": f(64), "v": u(64), "eps": num(1e-5),
             "spatial": ints(2, 3), "one32": np.ones(32, np.float32), "zero32": np.zeros(32, np.float32), "to": ints(0, 32, -1), "back": ints(1, 64, 32, 32)}
    image["s4"], image["b4"] = image["s"].reshape(64, 1, 1), image["b"].reshape(64, 1, 1)
    gain = image["s"] / np.sqrt(image["v"] + 1e-5)
    image["bs"], image["bb"] = gain.reshape(64, 1, 1), (image["b"] - image["m"] * gain).reshape(64, 1, 1)
    parameters = ("w", "b", "s", "m", "v", "s4", "b4", "bs", "bb", "one32", "zero32")
    cases = [
        ("LayerNormalization", "", row, "y = LayerNormalization (x, w, b)",
         "m = ReduceMean (x, last) d = Sub (x, m) p = Pow (d, two) v = ReduceMean (p, last) e = Add (v, eps) q = Sqrt (e) n = Div (d, q) g = Mul (n, w) y = Add (g, b)"),
        ("RMSNormalization", "Div", row, "y = RMSNormalization (x, w)",
         "p = Pow (x, two) v = ReduceMean (p, last) e = Add (v, eps) q = Sqrt (e) n = Div (x, q) y = Mul (n, w)"),
        ("RMSNormalization", "Reciprocal", row, "y = RMSNormalization (x, w)",
         "p = Mul (x, x) v = ReduceMean (p, last) e = Add (v, eps) q = Sqrt (e) i = Reciprocal (q) n = Mul (x, i) y = Mul (n, w)"),
        ("GroupNormalization", "", image, "y = GroupNormalization <num_groups = 32> (x, s, b)",
         "r = Reshape (x, to) n = InstanceNormalization (r, one32, zero32) k = Reshape (n, back) g = Mul (k, s4) y = Add (g, b4)"),
        ("InstanceNormalization", "", image, "y = InstanceNormalization (x, s, b)",
         "u = ReduceMean (x, spatial) d = Sub (x, u) p = Mul (d, d) q = ReduceMean (p, spatial) e = Add (q, eps) r = Sqrt (e) n = Div (d, r) g = Mul (n, s4) y = Add (g, b4)"),
        ("BatchNormalization", "", image, "y = BatchNormalization (x, s, b, m, v)", "g = Mul (x, bs) y = Add (g, bb)"),
        ("LpNormalization", "L2", row, "y = LpNormalization <axis = -1, p = 2> (x)", "n = ReduceL2 (x, last) y = Div (x, n)"),
        ("MeanVarianceNormalization", "", {"x": f(2, 64, 32, 32), "eps": num(1e-9), "ax": ints(0, 2, 3)}, "y = MeanVarianceNormalization (x)",
         "u = ReduceMean (x, ax) d = Sub (x, u) p = Mul (d, d) q = ReduceMean (p, ax) e = Add (q, eps) r = Sqrt (e) y = Div (d, r)"),
        ("Softmax", "", row, "y = Softmax (x)", "m = ReduceMax (x, last) d = Sub (x, m) e = Exp (d) s = ReduceSum (e, last) y = Div (e, s)"),
        ("LogSoftmax", "", row, "y = LogSoftmax (x)", "s = Softmax (x) y = Log (s)"),
    ]
    return [(*c, parameters) for c in cases]


def reductions():
    v = {"x": u(8, 128, 768), "last": ints(-1)}
    return [
        ("ReduceL1", "", v, "y = ReduceL1 (x, last)", "n = Abs (x) y = ReduceSum (n, last)"),
        ("ReduceL2", "", v, "y = ReduceL2 (x, last)", "p = Mul (x, x) s = ReduceSum (p, last) y = Sqrt (s)"),
        ("ReduceSumSquare", "", v, "y = ReduceSumSquare (x, last)", "p = Mul (x, x) y = ReduceSum (p, last)"),
        ("ReduceLogSum", "", v, "y = ReduceLogSum (x, last)", "s = ReduceSum (x, last) y = Log (s)"),
        ("ReduceLogSumExp", "", v, "y = ReduceLogSumExp (x, last)", "e = Exp (x) s = ReduceSum (e, last) y = Log (s)"),
        ("GlobalAveragePool", "", {"x": f(1, 256, 28, 28), "ax": ints(2, 3)}, "y = GlobalAveragePool (x)", "y = ReduceMean (x, ax)"),
        ("Sum", "3 inputs", {"x": f(128, 768), "p": f(128, 768), "q": f(128, 768)}, "y = Sum (x, p, q)", "s = Add (x, p) y = Add (s, q)"),
        ("Max", "3 inputs", {"x": f(128, 768), "p": f(128, 768), "q": f(128, 768)}, "y = Max (x, p, q)", "s = Max (x, p) y = Max (s, q)"),
        ("Mean", "3 inputs", {"x": f(128, 768), "p": f(128, 768), "q": f(128, 768), "three": num(3)}, "y = Mean (x, p, q)", "s = Add (x, p) t = Add (s, q) y = Div (t, three)"),
    ]


def movements():
    image = {"x": f(1, 32, 64, 64), "six": ints(1, 32, 32, 2, 32, 2), "four": ints(1, 128, 32, 32), "up": ints(1, 2, 2, 8, 64, 64), "flat": ints(1, 8, 128, 128)}
    rows = {"x": f(128, 2304), "parts": ints(768, 768, 768), "o": ints(0), "p": ints(768), "q": ints(1536), "e": ints(2304), "ax": ints(1)}
    return [
        ("SpaceToDepth", "", image, "y = SpaceToDepth <blocksize = 2> (x)",
         "r = Reshape (x, six) t = Transpose <perm = [0, 3, 5, 1, 2, 4]> (r) y = Reshape (t, four)"),
        ("DepthToSpace", "", image, "y = DepthToSpace <blocksize = 2> (x)",
         "r = Reshape (x, up) t = Transpose <perm = [0, 3, 4, 1, 5, 2]> (r) y = Reshape (t, flat)"),
        ("Split", "", rows, "a, c, b = Split <axis = 1> (x, parts) d = Add (a, b) y = Add (d, c)",
         "a = Slice (x, o, p, ax) c = Slice (x, p, q, ax) b = Slice (x, q, e, ax) d = Add (a, b) y = Add (d, c)"),
        ("Gemm", "bias", {"x": f(128, 768), "w": f(768, 768), "b": f(768)}, "y = Gemm (x, w, b)", "m = MatMul (x, w) y = Add (m, b)", ("w", "b")),
        ("Trilu", "", {"x": f(512, 512), "keep": np.tril(np.ones((512, 512), bool)), "zero": num(0)}, "y = Trilu <upper = 0> (x)", "y = Where (keep, x, zero)", ("keep",)),
        ("TensorScatter", "", {"p": f(4, 8, 256, 64), "n": f(4, 8, 1, 64), "i": ints(3, 50, 100, 200), "idx": ints(3, 50, 100, 200),
                               "hot": (np.arange(256)[None, None, :, None] == np.array([3, 50, 100, 200])[:, None, None, None])},
         "y = TensorScatter (p, n, i)", "y = Where (hot, n, p)", ("hot",)),
    ]


def attention():
    h, s, d = 12, 128, 64
    scale = num(1 / math.sqrt(d))
    four = {"q": f(1, h, s, d), "k": f(1, h, s, d), "v": f(1, h, s, d), "c": scale, "bias": f(1, 1, s, s),
            "tri": np.triu(np.full((s, s), np.finfo(np.float32).min, np.float32), 1)}
    core = "t = Transpose <perm = [0, 1, 3, 2]> (k) m = MatMul (q, t) l = Mul (m, c) "
    out = [
        ("Attention", "4-D", four, "y = Attention (q, k, v)", core + "p = Softmax (l) y = MatMul (p, v)"),
        ("Attention", "4-D, bias", four, "y = Attention (q, k, v, bias)", core + "a = Add (l, bias) p = Softmax (a) y = MatMul (p, v)"),
        ("Attention", "4-D, causal", four, "y = Attention <is_causal = 1> (q, k, v)", core + "a = Add (l, tri) p = Softmax (a) y = MatMul (p, v)", ("tri",)),
        ("Attention", "4-D, 1 query of 512", {"q": f(1, h, 1, d), "k": f(1, h, 512, d), "v": f(1, h, 512, d), "c": scale}, "y = Attention (q, k, v)", core + "p = Softmax (l) y = MatMul (p, v)"),
        ("Attention", "4-D, length 512", {"q": f(1, h, 512, d), "k": f(1, h, 512, d), "v": f(1, h, 512, d), "c": scale}, "y = Attention (q, k, v)", core + "p = Softmax (l) y = MatMul (p, v)"),
    ]
    packed = {"q": f(1, s, h * d), "k": f(1, s, h * d), "v": f(1, s, h * d), "c": scale, "to": ints(0, 0, h, d), "back": ints(0, 0, h * d)}
    split = "q1 = Reshape (q, to) q2 = Transpose <perm = [0, 2, 1, 3]> (q1) k1 = Reshape (k, to) v1 = Reshape (v, to) v2 = Transpose <perm = [0, 2, 1, 3]> (v1) "
    join = "o1 = Transpose <perm = [0, 2, 1, 3]> (o) y = Reshape (o1, back)"
    out += [
        ("Attention", "3-D", packed, f"y = Attention <q_num_heads = {h}, kv_num_heads = {h}> (q, k, v)",
         split + "t = Transpose <perm = [0, 2, 3, 1]> (k1) m = MatMul (q2, t) l = Mul (m, c) p = Softmax (l) o = MatMul (p, v2) " + join),
        ("Attention", "3-D, against 4-D", packed, f"y = Attention <q_num_heads = {h}, kv_num_heads = {h}> (q, k, v)",
         split + "k2 = Transpose <perm = [0, 2, 1, 3]> (k1) o = Attention (q2, k2, v2) " + join),
    ]
    shared = {"q": f(1, 9, s, d), "k": f(1, 3, s, d), "v": f(1, 3, s, d), "c": scale, "ax": ints(2), "to": ints(1, 3, 3, s, d), "back": ints(1, 9, s, d)}
    repeat = "ku = Unsqueeze (k, ax) ke = Expand (ku, to) kr = Reshape (ke, back) vu = Unsqueeze (v, ax) ve = Expand (vu, to) vr = Reshape (ve, back) "
    out += [
        ("Attention", "4-D, 9 heads share 3", shared, "y = Attention (q, k, v)",
         repeat + "t = Transpose <perm = [0, 1, 3, 2]> (kr) m = MatMul (q, t) l = Mul (m, c) p = Softmax (l) y = MatMul (p, vr)"),
        ("Attention", "4-D, 9 heads share 3, against repeated", shared, "y = Attention (q, k, v)", repeat + "y = Attention (q, kr, vr)"),
    ]
    past = {"q": f(1, 9, 1, d), "k": f(1, 3, 1, d), "v": f(1, 3, 1, d), "pk": f(1, 3, 255, d), "pv": f(1, 3, 255, d), "bias": f(1, 1, 1, 256)}
    out += [
        ("Attention", "past and present, against Concat", past, "y, z, w = Attention (q, k, v, bias, pk, pv)",
         "z = Concat <axis = 2> (pk, k) w = Concat <axis = 2> (pv, v) y = Attention (q, z, w, bias)"),
    ]
    cos, sin = f(s, d // 2), f(s, d // 2)
    pairs = lambda t: np.repeat(t, 2, -1)
    half = {"x": f(1, 9, s, d), "cos": cos, "sin": sin, "cc": np.tile(cos, 2), "ss": np.tile(sin, 2), "cp": pairs(cos), "sp": pairs(sin), "ids": np.arange(s, dtype=np.int64)[None],
            "o": ints(0), "h": ints(d // 2), "e": ints(d), "ax": ints(3), "step": ints(2), "i1": ints(1), "um": ints(-1), "full": ints(1, 9, s, d),
            "cos3": cos[None], "sin3": sin[None]}
    out += [
        ("RotaryEmbedding", "4-D, halves", half, "y = RotaryEmbedding (x, cos3, sin3)",
         "a = Slice (x, o, h, ax) b = Slice (x, h, e, ax) n = Neg (b) r = Concat <axis = -1> (n, a) p = Mul (x, cc) q = Mul (r, ss) y = Add (p, q)", ("cos", "sin", "cc", "ss")),
        ("RotaryEmbedding", "4-D, interleaved", half, "y = RotaryEmbedding <interleaved = 1> (x, cos3, sin3)",
         "a = Slice (x, o, e, ax, step) b = Slice (x, i1, e, ax, step) n = Neg (b) u = Unsqueeze (n, um) w = Unsqueeze (a, um) r = Concat <axis = -1> (u, w) "
         "t = Reshape (r, full) p = Mul (x, cp) q = Mul (t, sp) y = Add (p, q)", ("cp", "sp")),
        ("RotaryEmbedding", "3-D, positions", {**half, "x3": f(1, s, 9 * d), "heads": ints(0, 0, 9, d), "rows": ints(0, 0, 9 * d)},
         "y = RotaryEmbedding <num_heads = 9> (x3, cos, sin, ids)",
         "x0 = Reshape (x3, heads) x1 = Transpose <perm = [0, 2, 1, 3]> (x0) a = Slice (x1, o, h, ax) b = Slice (x1, h, e, ax) n = Neg (b) r = Concat <axis = -1> (n, a) "
         "p = Mul (x1, cc) q = Mul (r, ss) z = Add (p, q) t = Transpose <perm = [0, 2, 1, 3]> (z) y = Reshape (t, rows)", ("cos", "sin", "cc", "ss")),
    ]
    return out


def quantized():
    x = R.integers(0, 255, (1, 64, 28, 28)).astype(np.uint8)
    w = R.integers(-127, 127, (64, 64, 3, 3)).astype(np.int8)
    conv = {"x": x, "xs": num(0.02), "xz": np.uint8(128), "w": w, "ws": u(64) / 100, "wz": np.zeros(64, np.int8), "ys": num(0.05), "yz": np.uint8(120), "b": R.integers(-99, 99, 64).astype(np.int32), "bs": num(0.0002)}
    conv["bs"] = conv["ws"] * np.float32(0.02)
    mat = {"x": R.integers(0, 255, (128, 768)).astype(np.uint8), "xs": num(0.02), "xz": np.uint8(128), "w": R.integers(-127, 127, (768, 768)).astype(np.int8),
           "ws": num(0.01), "wz": np.int8(0), "ys": num(0.9), "yz": np.uint8(120)}
    return [
        ("QLinearConv", "", conv, "y = QLinearConv <pads = [1, 1, 1, 1]> (x, xs, xz, w, ws, wz, ys, yz, b)",
         "a = DequantizeLinear (x, xs, xz) c = DequantizeLinear <axis = 0> (w, ws, wz) d = DequantizeLinear <axis = 0> (b, bs) e = Conv <pads = [1, 1, 1, 1]> (a, c, d) y = QuantizeLinear (e, ys, yz)",
         ("w", "ws", "wz", "b", "bs")),
        ("QLinearMatMul", "", mat, "y = QLinearMatMul (x, xs, xz, w, ws, wz, ys, yz)",
         "a = DequantizeLinear (x, xs, xz) c = DequantizeLinear (w, ws, wz) e = MatMul (a, c) y = QuantizeLinear (e, ys, yz)", ("w",)),
    ]


STANDARD = [activations, normalizations, reductions, movements, attention, quantized]
M = "com.microsoft."


def microsoft_products():
    conv = {"x": f(1, 64, 56, 56), "w": f(64, 64, 3, 3), "b": f(64), "z": f(1, 64, 56, 56), "lo": num(0), "hi": num(6)}
    args = "kernel_shape = [3, 3], pads = [1, 1, 1, 1]"
    plain = f"c = Conv <{args}> (x, w, b) "
    cases = []
    for name, attributes, node in [
        ("Relu", "", "Relu (c)"), ("Sigmoid", "", "Sigmoid (c)"), ("Tanh", "", "Tanh (c)"),
        ("LeakyRelu", ", activation_params = [0.25]", "LeakyRelu <alpha = 0.25> (c)"),
        ("Clip", ", activation_params = [0.0, 6.0]", "Clip (c, lo, hi)"),
        ("HardSigmoid", ", activation_params = [0.2, 0.5]", "HardSigmoid (c)"),
    ]:
        cases.append((M + "FusedConv", name, conv, f'y = {M}FusedConv <activation = "{name}", {args}{attributes}> (x, w, b)', plain + f"y = {node}", ("w", "b")))
    cases += [
        (M + "FusedConv", "sum", conv, f"y = {M}FusedConv <{args}> (x, w, b, z)", plain + "y = Add (c, z)", ("w", "b")),
        (M + "FusedConv", "sum and Relu", conv, f'y = {M}FusedConv <activation = "Relu", {args}> (x, w, b, z)', plain + "s = Add (c, z) y = Relu (s)", ("w", "b")),
    ]
    rows = {"x": f(128, 768), "w": f(768, 768), "wt": f(768, 768), "b": f(768), "lo": num(0), "hi": num(6)}
    for name, attributes, node in [
        ("Relu", "", "Relu (g)"), ("Tanh", "", "Tanh (g)"), ("Sigmoid", "", "Sigmoid (g)"), ("LeakyRelu", ", activation_alpha = 0.25", "LeakyRelu <alpha = 0.25> (g)"),
        ("Elu", ", activation_alpha = 1.0", "Elu (g)"), ("Softsign", "", "Softsign (g)"), ("Softplus", "", "Softplus (g)"),
        ("ThresholdedRelu", ", activation_alpha = 1.0", "ThresholdedRelu (g)"), ("HardSigmoid", ", activation_alpha = 0.2, activation_beta = 0.5", "HardSigmoid (g)"),
    ]:
        cases.append((M + "FusedGemm", name, rows, f'y = {M}FusedGemm <activation = "{name}"{attributes}> (x, w, b)', f"g = Gemm (x, w, b) y = {node}", ("w", "b")))
    h, s, d = 12, 128, 64
    heads = {"q": f(1, h, s, d), "k": f(1, h, s, d), "kb": f(1, s, h, d), "qb": f(1, s, h, d), "c": num(0.125)}
    cases += [
        (M + "FusedMatMul", "transB", heads, f"y = {M}FusedMatMul <transB = 1> (q, k)", "t = Transpose <perm = [0, 1, 3, 2]> (k) y = MatMul (q, t)"),
        (M + "FusedMatMul", "transA", heads, f"y = {M}FusedMatMul <transA = 1> (q, k)", "t = Transpose <perm = [0, 1, 3, 2]> (q) y = MatMul (t, k)"),
        (M + "FusedMatMul", "alpha", heads, f"y = {M}FusedMatMul <alpha = 0.125, transB = 1> (q, k)", "t = Transpose <perm = [0, 1, 3, 2]> (k) m = MatMul (q, t) y = Mul (m, c)"),
        (M + "FusedMatMul", "transBatchA transA", {"q": f(s, h, d), "k": f(h, s, d)}, f"y = {M}FusedMatMul <transA = 1, transBatchA = 1> (q, k)",
         "t = Transpose <perm = [1, 2, 0]> (q) y = MatMul (t, k)"),
        (M + "FusedMatMul", "transBatchB transB", {"q": f(h, s, d), "k": f(s, h, d)}, f"y = {M}FusedMatMul <transB = 1, transBatchB = 1> (q, k)",
         "t = Transpose <perm = [1, 2, 0]> (k) y = MatMul (q, t)"),
        (M + "FusedMatMul", "weights, transB", {"x": f(1, 128, 768), "w": f(768, 768)}, f"y = {M}FusedMatMul <transB = 1> (x, w)", "t = Transpose <perm = [1, 0]> (w) y = MatMul (x, t)", ("w",)),
    ]
    return cases


def microsoft_elementwise():
    x = {"x": f(1, 128, 3072), "b": f(3072), "alpha": num(1.702)}
    p = ("b",)
    return [
        (M + "Gelu", "against Gelu", x, f"y = {M}Gelu (x)", "y = Gelu (x)"),
        (M + "BiasGelu", "", x, f"y = {M}BiasGelu (x, b)", "a = Add (x, b) y = Gelu (a)", p),
        (M + "FastGelu", "", x, f"y = {M}FastGelu (x)", 'y = Gelu <approximate = "tanh"> (x)'),
        (M + "FastGelu", "bias", x, f"y = {M}FastGelu (x, b)", 'a = Add (x, b) y = Gelu <approximate = "tanh"> (a)', p),
        (M + "QuickGelu", "alpha 1", x, f"y = {M}QuickGelu <alpha = 1.0> (x)", "s = Sigmoid (x) y = Mul (x, s)"),
        (M + "QuickGelu", "alpha 1.702", x, f"y = {M}QuickGelu <alpha = 1.702> (x)", "v = Mul (x, alpha) s = Sigmoid (v) y = Mul (x, s)"),
        (M + "BiasSoftmax", "", {"x": f(1, 12, 128, 128), "b": f(1, 1, 128, 128)}, f"y = {M}BiasSoftmax <axis = 3, is_inner_broadcast = 0> (x, b)", "a = Add (x, b) y = Softmax (a)"),
        (M + "BiasAdd", "", {"x": f(1, 128, 768), "b": f(768), "z": f(1, 128, 768)}, f"y = {M}BiasAdd (x, b, z)", "a = Add (x, b) y = Add (a, z)", p),
        (M + "GroupNorm", "", {"x": f(1, 32, 32, 64), "s": u(64), "b": f(64)}, f"y = {M}GroupNorm <groups = 32, activation = 0, channels_last = 1> (x, s, b)",
         "t = Transpose <perm = [0, 3, 1, 2]> (x) g = GroupNormalization <num_groups = 32> (t, s, b) y = Transpose <perm = [0, 2, 3, 1]> (g)", ("s", "b")),
    ]


def microsoft_normalizations():
    v = {"x": f(1, 128, 768), "z": f(1, 128, 768), "w": u(768), "b": f(768), "c": f(768)}
    p = ("w", "b", "c")
    eps = "epsilon = 0.00001"
    ids = {"i": R.integers(0, 999, (1, 128)).astype(np.int32), "g": R.integers(0, 2, (1, 128)).astype(np.int32), "we": f(1000, 768), "pe": f(512, 768), "se": f(2, 768),
           "w": v["w"], "b": v["b"], "pos": np.arange(128, dtype=np.int64)[None]}
    return [
        ("SimplifiedLayerNormalization", "against RMSNormalization", v, f"y = SimplifiedLayerNormalization <axis = -1, {eps}> (x, w)", f"y = RMSNormalization <{eps}> (x, w)", p),
        (M + "SkipLayerNormalization", "", v, f"y = {M}SkipLayerNormalization <{eps}> (x, z, w, b)", f"s = Add (x, z) y = LayerNormalization <{eps}> (s, w, b)", p),
        (M + "SkipLayerNormalization", "bias", v, f"y = {M}SkipLayerNormalization <{eps}> (x, z, w, b, c)", f"q = Add (x, c) s = Add (q, z) y = LayerNormalization <{eps}> (s, w, b)", p),
        (M + "SkipLayerNormalization", "sum read again", v, f"n, , , s = {M}SkipLayerNormalization <{eps}> (x, z, w, b) y = Add (n, s)",
         f"s = Add (x, z) n = LayerNormalization <{eps}> (s, w, b) y = Add (n, s)", p),
        (M + "SkipSimplifiedLayerNormalization", "", v, f"y = {M}SkipSimplifiedLayerNormalization <{eps}> (x, z, w)", f"s = Add (x, z) y = RMSNormalization <{eps}> (s, w)", p),
        (M + "SkipSimplifiedLayerNormalization", "sum read again", v, f"n, , , s = {M}SkipSimplifiedLayerNormalization <{eps}> (x, z, w) y = Add (n, s)",
         f"s = Add (x, z) n = RMSNormalization <{eps}> (s, w) y = Add (n, s)", p),
        (M + "EmbedLayerNormalization", "", ids, f"y, m = {M}EmbedLayerNormalization <{eps}> (i, g, we, pe, se, w, b)",
         f"a = Gather (we, i) c = Gather (pe, pos) d = Gather (se, g) e = Add (a, c) h = Add (e, d) y = LayerNormalization <{eps}> (h, w, b)", ("we", "pe", "se", "w", "b", "pos")),
    ]


def microsoft_attention():
    out = []
    for s in (128, 512):
        h, d = 12, 64
        v = {"q": f(1, s, h * d), "k": f(1, s, h * d), "v": f(1, s, h * d), "bias": f(1, 1, s, s)}
        std = f"<q_num_heads = {h}, kv_num_heads = {h}>"
        out += [
            (M + "MultiHeadAttention", f"length {s}", v, f"y = {M}MultiHeadAttention <num_heads = {h}> (q, k, v)", f"y = Attention {std} (q, k, v)"),
            (M + "MultiHeadAttention", f"length {s}, bias", v, f"y = {M}MultiHeadAttention <num_heads = {h}> (q, k, v, , , bias)", f"y = Attention {std} (q, k, v, bias)"),
            (M + "MultiHeadAttention", f"length {s}, causal", v, f"y = {M}MultiHeadAttention <num_heads = {h}, unidirectional = 1> (q, k, v)",
             f"y = Attention <q_num_heads = {h}, kv_num_heads = {h}, is_causal = 1> (q, k, v)"),
        ]
        four = {"q": f(1, h, s, d), "k": f(1, h, s, d), "v": f(1, h, s, d), "back": ints(0, 0, h * d)}
        out.append((M + "MultiHeadAttention", f"length {s}, heads first", four,
                    f"a = Transpose <perm = [0, 2, 1, 3]> (q) b = Reshape (a, back) y = {M}MultiHeadAttention <num_heads = {h}> (b, k, v)",
                    "o = Attention (q, k, v) a = Transpose <perm = [0, 2, 1, 3]> (o) y = Reshape (a, back)"))
    for s, past in ((128, 0), (1, 255), (1, 1023)):
        h, k, d, total = 9, 3, 64, s + past
        v = {"q": f(1, s, h * d), "k": f(1, s, k * d), "v": f(1, s, k * d), "pk": f(1, k, past, d), "pv": f(1, k, past, d),
             "lens": np.array([total - 1], np.int32), "total": np.array(total, np.int32)}
        out.append((M + "GroupQueryAttention", f"{s} new, {past} old", v, f"y, z, w = {M}GroupQueryAttention <num_heads = {h}, kv_num_heads = {k}> (q, k, v, pk, pv, lens, total)",
                    f"y, z, w = Attention <q_num_heads = {h}, kv_num_heads = {k}, is_causal = 1> (q, k, v, , pk, pv)"))
    s, h, d = 128, 9, 64
    v = {"x": f(1, h, s, d), "cos": f(s, d // 2), "sin": f(s, d // 2), "ids": np.arange(s, dtype=np.int64)[None], "zero": ints(0), "x3": f(1, s, h * d)}
    out += [
        (M + "RotaryEmbedding", "4-D, against RotaryEmbedding", v, f"y = {M}RotaryEmbedding (x, ids, cos, sin)", "y = RotaryEmbedding (x, cos, sin, ids)", ("cos", "sin")),
        (M + "RotaryEmbedding", "3-D, against RotaryEmbedding", v, f"y = {M}RotaryEmbedding <num_heads = {h}> (x3, ids, cos, sin)", f"y = RotaryEmbedding <num_heads = {h}> (x3, cos, sin, ids)", ("cos", "sin")),
    ]
    return out


def microsoft_quantized():
    x, w, b = f(128, 768), R.integers(-127, 127, (768, 768)).astype(np.int8), f(768)
    v = {"x": x, "w": w, "ws": num(0.01), "wz": np.int8(0), "b": b, "xs": num(0.02), "xz": np.uint8(128), "q": R.integers(0, 255, (128, 768)).astype(np.uint8),
         "ys": num(0.9), "yz": np.uint8(120), "bi": R.integers(-99, 99, 768).astype(np.int32), "bs": num(0.0002), "c": num(0.5), "shape": ints(128, 768)}
    blocks = {"x": f(1, 768), "w4": R.integers(0, 255, (768, 24, 16)).astype(np.uint8), "s4": u(768, 24), "z4": R.integers(0, 255, (768, 12)).astype(np.uint8)}
    deq = np.zeros((768, 768), np.float32)
    for n in range(24):
        packed = blocks["w4"][:, n]
        values = np.stack([packed & 15, packed >> 4], -1).reshape(768, 32).astype(np.float32)
        zero = (blocks["z4"][:, n // 2] >> (4 * (n % 2))) & 15
        deq[:, n * 32 : n * 32 + 32] = (values - zero[:, None]) * blocks["s4"][:, n : n + 1]
    blocks["full"] = np.ascontiguousarray(deq.T)
    dq = "a = DequantizeLinear (q, xs, xz) d = DequantizeLinear (w, ws, wz) "
    q = dict(v, p=R.integers(0, 255, (128, 768)).astype(np.uint8))
    p = ("w", "b", "bi", "w4", "s4", "z4", "full")
    dynamic = "q1, s1, z1 = DynamicQuantizeLinear (x) i = MatMulInteger (q1, w, z1, wz) k = Cast <to = 1> (i) t = Mul (s1, ws) "
    return [
        (M + "DynamicQuantizeMatMul", "", v, f"y = {M}DynamicQuantizeMatMul (x, w, ws, wz)", dynamic + "y = Mul (k, t)", p),
        (M + "DynamicQuantizeMatMul", "bias", v, f"y = {M}DynamicQuantizeMatMul (x, w, ws, wz, b)", dynamic + "m = Mul (k, t) y = Add (m, b)", p),
        (M + "MatMulIntegerToFloat", "", v, f"y = {M}MatMulIntegerToFloat (q, w, xs, ws, xz, wz)", "i = MatMulInteger (q, w, xz, wz) k = Cast <to = 1> (i) t = Mul (xs, ws) y = Mul (k, t)", p),
        (M + "MatMulIntegerToFloat", "against QDQ", v, f"y = {M}MatMulIntegerToFloat (q, w, xs, ws, xz, wz)", dq + "y = MatMul (a, d)", p),
        (M + "QGemm", "", v, f"y = {M}QGemm (q, xs, xz, w, ws, wz, bi, ys, yz)", dq + "e = DequantizeLinear (bi, bs) g = Gemm (a, d, e) y = QuantizeLinear (g, ys, yz)", p),
        (M + "MatMulNBits", "4 bits, against float", blocks, f"y = {M}MatMulNBits <K = 768, N = 768, bits = 4, block_size = 32> (x, w4, s4, z4)", "y = MatMul (x, full)", p),
        (M + "QLinearAdd", "", q, f"y = {M}QLinearAdd (q, xs, xz, p, xs, xz, ys, yz)", "a = DequantizeLinear (q, xs, xz) c = DequantizeLinear (p, xs, xz) s = Add (a, c) y = QuantizeLinear (s, ys, yz)"),
        (M + "QLinearMul", "", q, f"y = {M}QLinearMul (q, xs, xz, p, xs, xz, ys, yz)", "a = DequantizeLinear (q, xs, xz) c = DequantizeLinear (p, xs, xz) s = Mul (a, c) y = QuantizeLinear (s, ys, yz)"),
        (M + "QLinearSigmoid", "", q, f"y = {M}QLinearSigmoid (q, xs, xz, ys, yz)", "a = DequantizeLinear (q, xs, xz) s = Sigmoid (a) y = QuantizeLinear (s, ys, yz)"),
        (M + "QLinearConcat", "", q, f"y = {M}QLinearConcat <axis = 1> (ys, yz, q, xs, xz, p, xs, xz)", "a = DequantizeLinear (q, xs, xz) c = DequantizeLinear (p, xs, xz) s = Concat <axis = 1> (a, c) y = QuantizeLinear (s, ys, yz)"),
    ]


MICROSOFT = [microsoft_products, microsoft_elementwise, microsoft_normalizations, microsoft_attention, microsoft_quantized]
