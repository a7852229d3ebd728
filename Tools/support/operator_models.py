"""Models of one operator each, at the sizes that real models give it: com.microsoft's and the standard's quantized ones.

CASES maps a name to a function that returns (model, inputs), the model an onnx.ModelProto, the inputs arrays by name; PEERS one to that
of ONNX Runtime's spelling, where it has the operator under another. Two calls give the same numbers."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"
CASES, PEERS = {}, {}


class Weight:
    """An input that the model holds: a weight, a scale."""

    def __init__(self, array, type=None, shape=None):
        self.array, self.type, self.shape = np.asarray(array), type, shape

    def proto(self, name):
        if self.type is None:
            return numpy_helper.from_array(self.array, name)
        return helper.make_tensor(name, self.type, self.shape or self.array.shape, self.array.tobytes(), raw=True)


class Random:
    def __init__(self):
        self.generator = np.random.default_rng(7)

    def floats(self, *shape, scale=1.0):
        return (self.generator.standard_normal(shape, dtype=np.float32) * np.float32(scale)).astype(np.float32)

    def bytes(self, *shape, type=np.uint8, low=None):
        info = np.iinfo(type)
        return self.generator.integers(info.min if low is None else low, info.max + 1, shape, dtype=type)

    def ids(self, high, *shape, type=np.int32):
        return self.generator.integers(0, high, shape, dtype=type)


def model(operator, inputs, outputs=1, domain=MICROSOFT, standard=21, tail=(), **attributes):
    """One node over `inputs` (arrays: given at run time; Weight: in the model; None: left out), then the nodes of `tail`, each
    (operator, domain, inputs, attributes) with "" for the result before it. `outputs`: how many results the node has; `standard`: the opset."""
    given, weights, graph_inputs, names = {}, [], [], []

    def place(value, name):
        if value is None:
            return ""
        if isinstance(value, Weight):
            weights.append(value.proto(name))
        else:
            given[name] = value
            graph_inputs.append(helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape))
        return name

    for index, value in enumerate(inputs):
        names.append(place(value, f"i{index}"))
    results = [f"y{index}" for index in range(outputs)]
    nodes = [helper.make_node(operator, names, results, domain=domain, **attributes)]
    for step, (kind, place_of, more, options) in enumerate(tail):
        last = [f"t{step}"]
        feed = [results[0] if isinstance(v, str) else place(v, f"t{step}_{k}") for k, v in enumerate(more)]
        nodes.append(helper.make_node(kind, feed, last, domain=place_of, **options))
        results = last
    ports = [onnx.ValueInfoProto(name=name) for name in results]
    graph = helper.make_graph(nodes, operator, graph_inputs, ports, weights)
    built = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", standard), helper.make_opsetid(MICROSOFT, 1)], ir_version=10)
    return built, given


def case(name):
    def register(make):
        CASES[name] = lambda: make(Random())
        return make

    return register


def peer(name):
    """ONNX Runtime's model for the case `name`, where it has the operator under another name or layout."""

    def register(make):
        PEERS[name] = lambda: make(Random())
        return make

    return register


def scale(value=0.02):
    return Weight(np.float32(value))


def zero(value=128, type=np.uint8):
    return Weight(type(value))


# Transformer blocks: BERT-base is 1 x 128 x 768 with 12 heads, the decoder 2048 wide with 32 heads over 8 of keys.


@case("Gelu")
def _(r):
    return model("Gelu", [r.floats(1, 128, 3072)])


@case("BiasGelu")
def _(r):
    return model("BiasGelu", [r.floats(1, 128, 3072), Weight(r.floats(3072))])


@case("FastGelu")
def _(r):
    return model("FastGelu", [r.floats(1, 128, 3072), Weight(r.floats(3072))])


@case("QuickGelu")
def _(r):
    return model("QuickGelu", [r.floats(1, 128, 3072)])


@case("SkipLayerNormalization")
def _(r):
    x = r.floats(1, 128, 768)
    return model("SkipLayerNormalization", [x, x * 2, *(Weight(r.floats(768)) for _ in range(3))], epsilon=1e-5)


@case("SkipSimplifiedLayerNormalization")
def _(r):
    x = r.floats(1, 128, 2048)
    return model("SkipSimplifiedLayerNormalization", [x, x * 2, Weight(r.floats(2048))], epsilon=1e-5)


@case("EmbedLayerNormalization")
def _(r):
    tables = [Weight(r.floats(size, 768)) for size in (30522, 512, 2)]
    return model(
        "EmbedLayerNormalization",
        [r.ids(30522, 1, 128), r.ids(2, 1, 128), *tables, Weight(r.floats(768)), Weight(r.floats(768)),
         np.ones((1, 128), np.int32)], outputs=2, epsilon=1e-5)


@case("Attention")
def _(r):
    return model(
        "Attention", [r.floats(1, 128, 768), Weight(r.floats(768, 2304, scale=0.05)), Weight(r.floats(2304)),
                      np.array([100], np.int32)], num_heads=12)


@case("MultiHeadAttention")
def _(r):
    q, k, v = (r.floats(1, 128, 768) for _ in range(3))
    return model("MultiHeadAttention", [q, k, v, Weight(r.floats(2304)), np.array([100], np.int32)], num_heads=12)


@case("MultiHeadAttention, past 1024")
def _(r):
    q, k, v = (r.floats(1, 1, 768) for _ in range(3))
    past = [r.floats(1, 12, 1024, 64) for _ in range(2)]
    return model("MultiHeadAttention", [q, k, v, None, None, None, *past], outputs=3, num_heads=12)


def group_query(r, length, past):
    total = past + length
    cache = [r.floats(1, 8, past, 64) for _ in range(2)] if past else [np.zeros((1, 8, 0, 64), np.float32)] * 2
    angles = np.outer(np.arange(2048), 1 / 10000 ** (np.arange(32) / 32)).astype(np.float32)
    return model(
        "GroupQueryAttention",
        [r.floats(1, length, 2048), r.floats(1, length, 512), r.floats(1, length, 512), *cache, np.array([total - 1], np.int32),
         Weight(np.int32(total)), Weight(np.cos(angles)), Weight(np.sin(angles))],
        outputs=3, num_heads=32, kv_num_heads=8, do_rotary=1)


@case("GroupQueryAttention, 1 after 1024")
def _(r):
    return group_query(r, 1, 1024)


@case("GroupQueryAttention, 128")
def _(r):
    return group_query(r, 128, 0)


@case("RotaryEmbedding")
def _(r):
    angles = r.floats(2048, 32)
    return model(
        "RotaryEmbedding", [r.floats(1, 32, 128, 64), np.arange(128, dtype=np.int64)[None], Weight(np.cos(angles)),
                            Weight(np.sin(angles))])


@case("FusedMatMul")
def _(r):
    return model("FusedMatMul", [r.floats(12, 128, 64), r.floats(12, 128, 64)], transB=1, alpha=0.125)


@case("FusedGemm")
def _(r):
    return model(
        "FusedGemm", [r.floats(128, 768), Weight(r.floats(768, 3072, scale=0.05)), Weight(r.floats(3072))], activation="Relu")


@case("FusedConv")
def _(r):
    return model(
        "FusedConv", [r.floats(1, 64, 56, 56), Weight(r.floats(64, 64, 3, 3, scale=0.05)), Weight(r.floats(64))],
        pads=[1, 1, 1, 1], kernel_shape=[3, 3], activation="Relu")


@case("CDist")
def _(r):
    return model("CDist", [r.floats(512, 64), r.floats(512, 64)], metric="euclidean")


@case("GridSample")
def _(r):
    grid = np.random.default_rng(3).uniform(-1, 1, (1, 56, 56, 2)).astype(np.float32)
    return model("GridSample", [r.floats(1, 64, 56, 56), grid])


# Weights in few bits.


def blocks(r, n, k, block=32):
    return Weight(r.bytes(n, k // block, block // 2)), Weight(np.abs(r.floats(n * k // block, scale=0.02)) + np.float32(0.001))


def few_bits(m, n, level, zeros=False):
    def make(r):
        data, scales = blocks(r, n, 2048)
        more = [Weight(r.bytes(n * 32))] if zeros else []
        return model(
            "MatMulNBits", [r.floats(1, m, 2048), data, scales, *more], K=2048, N=n, bits=4, block_size=32, accuracy_level=level)

    return make


for rows in (1, 128):
    for columns in (2048, 8192):
        case(f"MatMulNBits 4 bits, {rows}x2048x{columns}")(few_bits(rows, columns, 0))
    case(f"MatMulNBits 4 bits, {rows}x2048x2048, zeros")(few_bits(rows, 2048, 0, zeros=True))
    case(f"MatMulNBits 4 bits, {rows}x2048x2048, accuracy_level 4")(few_bits(rows, 2048, 4))


def bnb(rows):
    def make(r):
        count = 2048 * 2048
        return model(
            "MatMulBnb4", [r.floats(rows, 2048), Weight(r.bytes(count // 2)), Weight(np.abs(r.floats(count // 64)))], K=2048, N=2048,
            block_size=64, quant_type=1)

    return make


for rows in (1, 128):
    case(f"MatMulBnb4, {rows}x2048x2048")(bnb(rows))


@case("GatherBlockQuantized")
def _(r):
    return model(
        "GatherBlockQuantized", [Weight(r.bytes(32000, 1024)), r.ids(32000, 1, 128, type=np.int64), Weight(r.floats(32000, 64))],
        block_size=32, bits=4, quantize_axis=1, gather_axis=0)


@case("GatherBlockQuantized, uint4")
def _(r):
    data = Weight(r.bytes(32000, 1024), TensorProto.UINT4, (32000, 2048))
    return model(
        "GatherBlockQuantized", [data, r.ids(32000, 1, 128, type=np.int64), Weight(r.floats(32000, 64))], block_size=32,
        quantize_axis=1, gather_axis=0)


def dequantized(rows):
    def make(r):
        data = Weight(r.bytes(2048, 1024), TensorProto.INT4, (2048, 2048))
        return model(
            "DequantizeLinear", [data, Weight(np.abs(r.floats(64, 2048, scale=0.02)))], domain="", axis=0, block_size=32,
            tail=[("MatMul", "", [r.floats(rows, 2048), ""], {})])

    return make


for rows in (1, 128):
    case(f"DequantizeLinear int4 blocks + MatMul, {rows}x2048x2048")(dequantized(rows))


@case("DequantizeLinear int8 columns + MatMul, 128x768x3072")
def _(r):
    return model(
        "DequantizeLinear", [Weight(r.bytes(768, 3072, type=np.int8)), Weight(np.abs(r.floats(3072, scale=0.02)))], domain="",
        axis=1, tail=[("MatMul", "", [r.floats(128, 768), ""], {})])


@case("DequantizeLinear uint16")
def _(r):
    return model("DequantizeLinear", [r.bytes(1, 128, 3072, type=np.uint16), scale(), zero(32768, np.uint16)])


@case("QuantizeLinear uint16")
def _(r):
    return model("QuantizeLinear", [r.floats(1, 128, 3072), scale(0.0001), zero(32768, np.uint16)])


# Products of 8-bit numbers: BERT-base's first feed-forward product.


@case("DynamicQuantizeMatMul")
def _(r):
    return model("DynamicQuantizeMatMul", [
        r.floats(128, 768), Weight(r.bytes(768, 3072, type=np.int8)), Weight(np.abs(r.floats(3072))),
        Weight(np.zeros(3072, np.int8)), Weight(r.floats(3072))])


@case("MatMulIntegerToFloat")
def _(r):
    return model("MatMulIntegerToFloat", [
        r.bytes(128, 768), Weight(r.bytes(768, 3072, type=np.int8)), scale(), Weight(np.abs(r.floats(3072))), zero(),
        Weight(np.zeros(3072, np.int8)), Weight(r.floats(3072))])


@case("QGemm")
def _(r):
    return model("QGemm", [
        r.bytes(128, 768), scale(), zero(), Weight(r.bytes(768, 3072, type=np.int8)), scale(), zero(0, np.int8),
        Weight(r.ids(1000, 3072)), scale(1.5), zero()])


@case("QLinearMatMul")
def _(r):
    return model("QLinearMatMul", [
        r.bytes(128, 768), scale(), zero(), Weight(r.bytes(768, 3072, type=np.int8)), scale(), zero(0, np.int8), scale(1.5), zero()],
        domain="")


@case("MatMulInteger")
def _(r):
    return model("MatMulInteger", [
        r.bytes(128, 768), Weight(r.bytes(768, 3072, type=np.int8)), zero(), zero(0, np.int8)], domain="")


@case("MatMulInteger, 1x2048x2048")
def _(r):
    return model("MatMulInteger", [
        r.bytes(1, 2048), Weight(r.bytes(2048, 2048, type=np.int8)), zero(), zero(0, np.int8)], domain="")


@case("DynamicQuantizeLinear")
def _(r):
    return model("DynamicQuantizeLinear", [r.floats(128, 3072)], outputs=3, domain="")


@case("QAttention")
def _(r):
    return model("QAttention", [
        r.bytes(1, 128, 768), Weight(r.bytes(768, 2304, type=np.int8)), Weight(r.floats(2304)), scale(0.01), scale(0.001),
        np.array([100], np.int32), zero(), zero(0, np.int8)], num_heads=12)


@case("QEmbedLayerNormalization")
def _(r):
    tables = [Weight(r.bytes(size, 768)) for size in (30522, 512, 2)]
    return model(
        "QEmbedLayerNormalization",
        [r.ids(30522, 1, 128), r.ids(2, 1, 128), *tables, Weight(r.bytes(768)), Weight(r.bytes(768)), np.ones((1, 128), np.int32),
         *(scale() for _ in range(5)), *(zero() for _ in range(5))], outputs=2, epsilon=1e-5)


@case("DynamicQuantizeLSTM")
def _(r):
    weights = [Weight(r.bytes(1, 256, 1024, type=np.int8)) for _ in range(2)]
    return model(
        "DynamicQuantizeLSTM",
        [r.floats(64, 1, 256), *weights, Weight(r.floats(1, 2048)), None, None, None, None, Weight(np.float32([0.01])),
         Weight(np.int8([0])), Weight(np.float32([0.01])), Weight(np.int8([0]))], hidden_size=256)


# Images: resnet50's first stage.


def convolution(domain, channels, outputs, kernel, side=56, group=1, last=False, stride=1):
    def make(r):
        x = r.bytes(1, side, side, channels) if last else r.bytes(1, channels, side, side)
        weights = r.bytes(outputs, channels // group, kernel, kernel, type=np.int8)
        options = dict(pads=[kernel // 2] * 4, strides=[stride] * 2, kernel_shape=[kernel] * 2, group=group)
        if last:
            options["channels_last"] = 1
        return model("QLinearConv", [
            x, scale(), zero(), Weight(weights), Weight(np.abs(r.floats(outputs, scale=0.01)) + np.float32(0.001)),
            Weight(np.zeros(outputs, np.int8)), scale(1.5), zero(), Weight(r.ids(1000, outputs))], domain=domain, **options)

    return make


case("QLinearConv 3x3, 64 of 56x56")(convolution("", 64, 64, 3))
case("QLinearConv 1x1, 256 to 64 of 56x56")(convolution("", 256, 64, 1))
case("QLinearConv 3x3, 512 of 7x7")(convolution("", 512, 512, 3, side=7))
case("QLinearConv 7x7, 3 to 64 of 224x224")(convolution("", 3, 64, 7, side=224, stride=2))
case("QLinearConv depthwise 3x3, 144 of 56x56")(convolution("", 144, 144, 3, group=144))
case("QLinearConv of com.microsoft, channels last, 3x3")(convolution(MICROSOFT, 64, 64, 3, last=True))


@case("ConvInteger 3x3, 64 of 56x56")
def _(r):
    return model(
        "ConvInteger", [r.bytes(1, 64, 56, 56), Weight(r.bytes(64, 64, 3, 3)), zero(), zero()], domain="", pads=[1] * 4)


def two(operator):
    def make(r):
        return model(operator, [
            r.bytes(1, 256, 56, 56), scale(), zero(), r.bytes(1, 256, 56, 56), scale(0.03), zero(120), scale(0.04), zero()])

    return make


for name in ("QLinearAdd", "QLinearMul"):
    case(name)(two(name))


def one(operator, shape=(1, 256, 56, 56), y=0.02, **attributes):
    def make(r):
        return model(operator, [r.bytes(*shape), scale(), zero(), scale(y), zero()], **attributes)

    return make


case("QLinearSigmoid")(one("QLinearSigmoid", y=1 / 256))
case("QLinearLeakyRelu")(one("QLinearLeakyRelu", alpha=0.1))
case("QLinearAveragePool")(one("QLinearAveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4))
case("QLinearAveragePool, channels last")(one(
    "QLinearAveragePool", (1, 56, 56, 256), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, channels_last=1))
case("QLinearGlobalAveragePool")(one("QLinearGlobalAveragePool", (1, 2048, 7, 7)))
case("QLinearGlobalAveragePool, channels last")(one("QLinearGlobalAveragePool", (1, 7, 7, 2048), channels_last=1))
case("QLinearReduceMean")(one("QLinearReduceMean", (1, 128, 768), axes=[-1], keepdims=1))
case("QLinearSoftmax")(one("QLinearSoftmax", (12, 128, 128), y=1 / 256, axis=-1, opset=13))


@case("QLinearConcat")
def _(r):
    part = lambda s: [r.bytes(1, 128, 56, 56), scale(s), zero()]
    return model("QLinearConcat", [scale(), zero(), *part(0.02), *part(0.03)], axis=1)


@case("QLinearWhere")
def _(r):
    hides = r.bytes(1, 12, 128, 128) > 100
    return model("QLinearWhere", [
        hides, r.bytes(1, 12, 128, 128), scale(), zero(), r.bytes(1, 12, 128, 128), scale(0.03), zero(), scale(), zero()])


@case("NhwcMaxPool")
def _(r):
    return model("NhwcMaxPool", [r.bytes(1, 112, 112, 64)], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)


@case("MaxPool uint8")
def _(r):
    return model("MaxPool", [r.bytes(1, 64, 112, 112)], domain="", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)


# The standard's newest, which ONNX Runtime 1.31 has in its own domain.


@case("TensorScatter")
def _(r):
    return model(
        "TensorScatter", [r.floats(1, 8, 1024, 64), r.floats(1, 8, 1, 64), np.array([1000], np.int64)], domain="", standard=24, axis=2)


def linear_attention(domain, length):
    def make(r):
        key = r.floats(1, length, 1024, scale=0.1)
        return model(
            "LinearAttention",
            [r.floats(1, length, 1024), key, r.floats(1, length, 1024), r.floats(1, 8, 128, 128), -np.abs(r.floats(1, length, 8)),
             np.abs(r.floats(1, length, 8, scale=0.3))],
            outputs=2, domain=domain, standard=21 if domain else 27, q_num_heads=8, kv_num_heads=8, update_rule="gated_delta")

    return make


def causal(domain, length):
    def make(r):
        return model(
            "CausalConvWithState",
            [r.floats(1, 2048, length), Weight(r.floats(2048, 1, 4)), Weight(r.floats(2048)), r.floats(1, 2048, 3)], outputs=2,
            domain=domain, standard=21 if domain else 27, activation="silu")

    return make


for length in (1, 128):
    case(f"LinearAttention, {length} long")(linear_attention("", length))
    peer(f"LinearAttention, {length} long")(linear_attention(MICROSOFT, length))
    case(f"CausalConvWithState, {length} long")(causal("", length))
    peer(f"CausalConvWithState, {length} long")(causal(MICROSOFT, length))


def recurrent(operator, gates, hidden, length, batch=1, direction="forward"):
    def make(r):
        directions = 2 if direction == "bidirectional" else 1
        scale = hidden ** -0.5
        return model(
            operator, [
                r.floats(length, batch, hidden), Weight(r.floats(directions, gates * hidden, hidden, scale=scale)),
                Weight(r.floats(directions, gates * hidden, hidden, scale=scale)), Weight(r.floats(directions, 2 * gates * hidden, scale=0.1)),
            ], outputs=2, domain="", standard=21, hidden_size=hidden, direction=direction)

    return make


for hidden in (64, 128, 512):
    for length in (1, 32, 256):
        for operator, gates in (("LSTM", 4), ("GRU", 3)):
            case(f"{operator}, hidden {hidden}, length {length}")(recurrent(operator, gates, hidden, length))
for operator, gates in (("LSTM", 4), ("GRU", 3), ("RNN", 1)):
    case(f"{operator}, hidden 256, length 64, batch 16")(recurrent(operator, gates, 256, 64, 16))
    case(f"{operator}, hidden 128, length 64, bidirectional")(recurrent(operator, gates, 128, 64, 1, "bidirectional"))


def chain(operator, length=1000):
    """So many small nodes in a row: what a step costs beside its work."""
    def make(r):
        value = "x"
        nodes = []
        for index in range(length):
            nodes.append(helper.make_node(operator, [value, "w"], [f"v{index}"]))
            value = f"v{index}"
        shape, weight = ([8], r.floats(8)) if operator == "Add" else ([1, 8], np.eye(8, dtype=np.float32)[::-1].copy())
        graph = helper.make_graph(
            nodes, "g", [helper.make_tensor_value_info("x", 1, shape)], [helper.make_tensor_value_info(value, 1, shape)],
            [numpy_helper.from_array(weight, "w")])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), {"x": r.floats(*shape)}

    return make


for operator in ("Add", "MatMul"):
    case(f"chain of 1000 {operator}")(chain(operator))


def write(folder):
    """Writes every case below `folder`: [(name, model's path, ONNX Runtime's model's path, path of the inputs)]."""
    from pathlib import Path

    import common

    written = []
    for index, (name, make) in enumerate(CASES.items()):
        place = Path(folder) / str(index)
        place.mkdir(parents=True, exist_ok=True)
        built, given = make()
        onnx.save(built, place / "model.onnx")
        common.save_npz(place / "inputs.npz", given)
        other = place / "model.onnx"
        if name in PEERS:
            other = place / "peer.onnx"
            onnx.save(PEERS[name]()[0], other)
        written.append((name, str(place / "model.onnx"), str(other), str(place / "inputs.npz")))
    return written
