#!/usr/bin/env python3
"""Writes the small test models of Models/small: each one form that a reader of ONNX files must keep or compute.

usage: Models/make_small.py

NAME.onnx, and where something computes it NAME.inputs.npz and NAME.expected.npz; listing.json says for each model what it
holds, what the checker thinks and who computed the expected outputs (ONNX Runtime unoptimized, else onnx's reference
evaluator, else this script)."""
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "Tools" / "support"))
import common

common.use_cache_python()
import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper, parser

SMALL = HERE / "small"
MODELS = {}
rng = np.random.default_rng(5)


def small(text):
    """Registers a function that gives (model, inputs or None[, expected]); `text` says what the model holds."""
    def add(function):
        MODELS[function.__name__] = (text, function)
        return function
    return add


def tensor(array, name, dtype=None):
    array = np.asarray(array, dtype)
    return numpy_helper.from_array(array, name)


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def model_of(graph, opset, ir, **more):
    domains = more.pop("domains", {})
    imports = [helper.make_opsetid("", opset)] + [helper.make_opsetid(d, v) for d, v in domains.items()]
    return helper.make_model(graph, opset_imports=imports, ir_version=ir, producer_name="cameo-models", **more)


def floats(*shape):
    return rng.standard_normal(shape).astype(np.float32)


# ---------------------------------------------------------------- control flow


@small("If inside If; branches use values of both outer graphs, hold initializers, shadow no name")
def if_in_if():
    return parser.parse_model("""
    <ir_version: 8, opset_import: ["": 17]>
    nested (float[n, 3] x, bool outer, bool inner) => (float[m, 3] y) {
      twice = Add(x, x)
      y = If(outer) <
        then_branch = yes () => (float[a, 3] y_yes) <float[3] offset = {1.0, 2.0, 3.0}> {
          shifted = Add(twice, offset)
          y_yes = If(inner) <
            then_branch = yes_yes () => (float[b, 3] y_yes_yes) { y_yes_yes = Mul(shifted, x) },
            else_branch = yes_no () => (float[c, 3] y_yes_no) { y_yes_no = Concat<axis = 0>(shifted, twice) }>
        },
        else_branch = no () => (float[d, 3] y_no) { y_no = Neg(x) }>
    }"""), {"x": floats(2, 3), "outer": np.array(True), "inner": np.array(False)}


@small("Loop with a trip count, a condition that ends it early, a carried value that grows in the shape, a scan output")
def loop():
    return parser.parse_model("""
    <ir_version: 8, opset_import: ["": 17]>
    counting (int64 trips, float[k] start, float limit) => (float[grown] last, float[steps] sums, int64 rounds) {
      yes = Constant<value = bool {1}>()
      zero = Constant<value = int64 {0}>()
      last, rounds, sums = Loop(trips, yes, start, zero) <
        body = step (int64 i, bool go, float[a] carried, int64 count) => (bool again, float[b] longer, int64 counted, float total) {
          one = Constant<value = int64 {1}>()
          axes = Constant<value = int64[1] {0}>()
          counted = Add(count, one)
          as_float = Cast<to = 1>(counted)
          next = Unsqueeze(as_float, axes)
          longer = Concat<axis = 0>(carried, next)
          total = ReduceSum<keepdims = 0>(longer, axes)
          again = Less(total, limit)
        }>
    }"""), {"trips": np.array(10), "start": floats(2), "limit": np.array(12.0, np.float32)}


@small("Scan over two sequences, one in reverse, with a carried state and outputs in both directions")
def scan():
    return parser.parse_model("""
    <ir_version: 8, opset_import: ["": 17]>
    running (float[2] state, float[t, 2] a, float[t, 2] b) => (float[2] final, float[t, 2] forward, float[t, 2] backward) {
      final, forward, backward = Scan<num_scan_inputs = 2, scan_input_directions = [0, 1], scan_output_directions = [0, 1],
        body = step (float[2] s, float[2] x, float[2] y) => (float[2] s_out, float[2] up, float[2] product) {
          s_out = Add(s, x)
          up = Identity(s_out)
          product = Mul(s_out, y)
        }>(state, a, b)
    }"""), {"state": floats(2), "a": floats(4, 2), "b": floats(4, 2)}


# ---------------------------------------------------------------- functions


@small("local functions: attribute references with and without default, a call inside a function, inside a subgraph, an overload, "
       "metadata of a function, optional inputs left out")
def functions():
    model = parser.parse_model("""
    <ir_version: 10, opset_import: ["": 21, "local": 1]>
    calls (float[n, 4] x, bool flag) => (float[n, 4] y) {
      a = local.LeakyShift<alpha = 0.3, shift = [1.0, 2.0, 3.0, 4.0]>(x)
      b = local.Outer<slope = 0.5>(a)
      y = If(flag) <
        then_branch = inside () => (float[n, 4] c) { c = local.Twice(b) },
        else_branch = outside () => (float[n, 4] d) { d = Identity(b) }>
    }
    <domain: "local", opset_import: ["": 21]>
    LeakyShift <alpha, shift> (v) => (r) {
      s = Constant<value_floats: floats = @shift>()
      l = LeakyRelu<alpha: float = @alpha>(v)
      r = Add(l, s)
    }
    <domain: "local", opset_import: ["": 21, "local": 1]>
    Outer <slope: float = 0.25> (v) => (r) {
      half = LeakyRelu<alpha: float = @slope>(v)
      r = local.LeakyShift<alpha: float = @slope, shift = [0.5, 0.5, 0.5, 0.5]>(half)
    }
    <domain: "local", opset_import: ["": 21]>
    Twice (v) => (r) { r = Add(v, v) }
    <domain: "local", opset_import: ["": 21]>
    Twice (v) => (r) { t = Add(v, v) r = Neg(t) }
    """)
    model.functions[-1].overload = "negative"
    model.functions[-1].doc_string = "The overload that also changes the sign"
    model.functions[0].metadata_props.add(key="origin", value="make_small")
    model.graph.node.insert(2, helper.make_node("Twice", ["b"], ["twice"], domain="local", overload="negative"))
    model.graph.node[3].attribute[1].g.node[0].input[0] = "twice"  # the else branch
    x = floats(2, 4)
    leaky = lambda v, a: np.where(v < 0, a * v, v)
    b = leaky(leaky(leaky(x, 0.3) + [1, 2, 3, 4], 0.5), 0.5) + 0.5
    return model, {"x": x, "flag": np.array(False)}, {"y": (-2 * b).astype(np.float32)}


# ---------------------------------------------------------------- data


@small("external data in two files, at offsets that are not zero, two tensors in one of them, one inline; external.a.bin, external.b.bin")
def external():
    files = {"external.a.bin": bytearray(b"\xee" * 64), "external.b.bin": bytearray(b"\xee" * 4096)}
    tensors = []
    for name, shape, file in (("w1", (4, 8), "external.a.bin"), ("w2", (8, 3), "external.b.bin"), ("b2", (3,), "external.a.bin")):
        t = tensor(floats(*shape), name)
        raw = t.raw_data
        t.ClearField("raw_data")
        t.data_location = T.EXTERNAL
        for k, v in (("location", file), ("offset", len(files[file])), ("length", len(raw))):
            t.external_data.add(key=k, value=str(v))
        files[file] += raw + b"\xee" * 16
        tensors.append(t)
    tensors.append(tensor(floats(8), "b1"))
    for file, data in files.items():
        (SMALL / file).write_bytes(data)
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w1", "b1"], ["h"]), helper.make_node("Relu", ["h"], ["r"]),
         helper.make_node("Gemm", ["r", "w2", "b2"], ["y"])], "external",
        [value("x", T.FLOAT, ["n", 4])], [value("y", T.FLOAT, ["n", 3])], tensors)
    return model_of(graph, 17, 8), {"x": floats(2, 4)}


KINDS = [k for k in T.DataType.keys() if k != "UNDEFINED"]
PACKED = {"INT4": ml_dtypes.int4, "UINT4": ml_dtypes.uint4, "INT2": ml_dtypes.int2, "UINT2": ml_dtypes.uint2,
          "BFLOAT16": ml_dtypes.bfloat16, "FLOAT8E4M3FN": ml_dtypes.float8_e4m3fn, "FLOAT8E4M3FNUZ": ml_dtypes.float8_e4m3fnuz,
          "FLOAT8E5M2": ml_dtypes.float8_e5m2, "FLOAT8E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
          "FLOAT8E8M0": ml_dtypes.float8_e8m0fnu, "FLOAT4E2M1": ml_dtypes.float4_e2m1fn,
          "FLOAT6E2M3": ml_dtypes.float6_e2m3fn, "FLOAT6E3M2": ml_dtypes.float6_e3m2fn}


def elements(raw):
    """Native types go through Identity, the others through Cast to float, so that any reader's decoding shows."""
    tensors, nodes, outputs, expected = [], [], [], {}
    for kind in KINDS:
        number, name = T.DataType.Value(kind), kind.lower()
        if kind == "STRING":
            values = np.array(["", "a", "ünï", "long " * 5, "e"], object)
        elif kind == "BOOL":
            values = np.array([1, 0, 1, 1, 0], bool)
        elif kind in ("COMPLEX64", "COMPLEX128"):
            values = np.array([1 + 2j, -0.5j, 3, 0, 1e3 - 1e-3j], kind.lower())
        elif kind in ("UINT2", "INT2"):
            values = np.array([0, 1, 1, 3 if kind == "UINT2" else -2, 2 if kind == "UINT2" else -1])
        elif kind == "FLOAT8E8M0":
            values = np.array([1, 2, 0.5, 1024, 2**-20])
        elif kind in PACKED or kind in ("FLOAT", "DOUBLE", "FLOAT16"):
            values = np.array([0, 1, 3, 6, 7] if kind in ("UINT4", "FLOAT4E2M1") else [0, 1, -2, 6, -3])
        else:
            low, high = np.iinfo(name).min, np.iinfo(name).max
            values = np.array([0, 1, low, high, 42], name)
        if kind in PACKED:
            values = values.astype(PACKED[kind])
            expected[f"{name}_out"] = values.astype(np.float32)
        elif kind != "STRING":
            values = values.astype(helper.tensor_dtype_to_np_dtype(number))
            expected[f"{name}_out"] = values
        if raw and kind != "STRING":
            t = numpy_helper.from_array(values, name)
            assert t.data_type == number and t.raw_data, kind
        elif kind == "STRING":
            t = helper.make_tensor(name, number, [5], [v.encode() for v in values])
        else:
            t = helper.make_tensor(name, number, [5], values.tolist())
        tensors.append(t)
        to = T.FLOAT if kind in PACKED else number
        nodes.append(helper.make_node("Cast", [name], [f"{name}_out"], to=T.FLOAT) if kind in PACKED else
                     helper.make_node("Identity", [name], [f"{name}_out"]))
        outputs.append(value(f"{name}_out", to, [5]))
    graph = helper.make_graph(nodes, "elements", [], outputs, tensors)
    return model_of(graph, 28, 14), {}, expected


@small("an initializer of every element type, five elements each, as raw_data (6-bit, 4-bit and 2-bit ones packed, one odd element)")
def elements_raw():
    return elements(True)


@small("an initializer of every element type in the typed fields (float_data, int32_data, ...)")
def elements_fields():
    return elements(False)


@small("a sparse initializer")
def sparse():
    values, indices = tensor(np.array([1.5, -2, 3], np.float32), "w"), tensor(np.array([1, 6, 11]), "w_indices")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "sparse", [value("x", T.FLOAT, [2, 3])],
                              [value("y", T.FLOAT, [2, 4])])
    graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [3, 4]))
    return model_of(graph, 17, 8), {"x": floats(2, 3)}


# ---------------------------------------------------------------- types that are not tensors


@small("sequences: as input, construct, insert, at, length, concatenate, split, SequenceMap, an empty one; expected output of the tensor "
       "ones only; input xs is xs.0, xs.1 in the inputs file")
def sequence():
    xs = [floats(2, 3), floats(1, 3)]
    model = parser.parse_model("""
    <ir_version: 8, opset_import: ["": 17]>
    sequences (seq(float[n, 3]) xs, float[k, 3] x) => (float[m, 3] joined, int64 count, float[j, 3] second, seq(float[j, 3]) parts, seq(float[i, 3]) mapped) {
      more = SequenceInsert(xs, x)
      joined = ConcatFromSequence<axis = 0>(more)
      parts = SplitToSequence<axis = 0>(joined)
      one = Constant<value = int64 {1}>()
      second = SequenceAt(parts, one)
      none = SequenceEmpty<dtype = 1>()
      again = SequenceInsert(none, x)
      both = SequenceConstruct(x, second)
      count = SequenceLength(both)
      mapped = SequenceMap<body = each (float[a, 3] e) => (float[a, 3] f) { f = Neg(e) }>(again)
    }""")
    x = floats(2, 3)
    joined = np.concatenate([*xs, x])
    return model, {"xs.0": xs[0], "xs.1": xs[1], "x": x}, {
        "joined": joined, "count": np.array(2), "second": joined[1:2]}


@small("optionals: as input, absent and present, of tensors; OptionalHasElement and OptionalGetElement in an If")
def optional():
    return parser.parse_model("""
    <ir_version: 8, opset_import: ["": 18]>
    optionals (float[n] x, optional(float[n]) maybe) => (float[n] y, bool present, bool missing) {
      present = OptionalHasElement(maybe)
      nothing = Optional<type = float[n]>()
      missing = OptionalHasElement(nothing)
      y = If(present) <
        then_branch = there () => (float[n] a) { got = OptionalGetElement(maybe) a = Add(got, x) },
        else_branch = gone () => (float[n] b) { b = Identity(x) }>
    }"""), {"x": floats(3), "maybe": floats(3)}


@small("maps: ZipMap makes a sequence of maps, DictVectorizer takes a map; domain ai.onnx.ml")
def maps():
    graph = helper.make_graph(
        [helper.make_node("ZipMap", ["p"], ["named"], domain="ai.onnx.ml", classlabels_strings=["no", "yes"]),
         helper.make_node("DictVectorizer", ["counts"], ["y"], domain="ai.onnx.ml", string_vocabulary=["a", "b", "c"])],
        "maps",
        [value("p", T.FLOAT, ["n", 2]), helper.make_value_info("counts", helper.make_map_type_proto(
            T.STRING, helper.make_tensor_type_proto(T.FLOAT, [])))],
        [helper.make_value_info("named", helper.make_sequence_type_proto(helper.make_map_type_proto(
            T.STRING, helper.make_tensor_type_proto(T.FLOAT, [])))), value("y", T.FLOAT, [1, 3])])
    return model_of(graph, 17, 8, domains={"ai.onnx.ml": 3}), None


# ---------------------------------------------------------------- what must survive


@small("operators of unknown domains, with an attribute of every kind, an unknown operator of the standard domain's future, empty optional "
       "inputs and outputs, and known operators around them")
def unknown():
    inner = helper.make_graph([helper.make_node("Mystery", ["x"], ["g"], domain="com.example")], "inner", [], [value("g", T.FLOAT, [2, "n"])])
    attributes = dict(number=7, real=0.25, text="täxt", numbers=[1, 2, -3], reals=[0.5, 1.5], texts=["a", "", "c"],
                      weights=tensor(floats(2, 2), "weights"), body=inner)
    node = helper.make_node("Mystery", ["h", "", "x"], ["m", "", "k"], name="m1", domain="com.example", **attributes)
    lists = [("tensors", onnx.AttributeProto.TENSORS, [tensor([1, 2], "t1"), tensor([3.5], "t2")]),
             ("graphs", onnx.AttributeProto.GRAPHS, [inner, inner]),
             ("types", onnx.AttributeProto.TYPE_PROTOS, [helper.make_tensor_type_proto(T.INT64, ["n"])])]
    for name, kind, items in lists:
        a = node.attribute.add(name=name, type=kind)
        getattr(a, {"types": "type_protos"}.get(name, name)).extend(items)
    a = node.attribute.add(name="type", type=onnx.AttributeProto.TYPE_PROTO)
    a.tp.CopyFrom(helper.make_sequence_type_proto(helper.make_tensor_type_proto(T.FLOAT, None)))
    a = node.attribute.add(name="sparse", type=onnx.AttributeProto.SPARSE_TENSOR)
    a.sparse_tensor.CopyFrom(helper.make_sparse_tensor(tensor([1.0], "s", np.float32), tensor([2], "si", np.int64), [4]))
    a = node.attribute.add(name="no_numbers", type=onnx.AttributeProto.INTS)
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "one"], ["h"]), node, helper.make_node("Mul", ["m", "one"], ["s"]),
         helper.make_node("Other", ["s", "k"], ["y"], domain="org.example.other", mode="strict")],
        "unknown", [value("x", T.FLOAT, [2, "n"])], [value("y", T.FLOAT, [2, "n"])], [tensor(1.0, "one", np.float32)])
    return model_of(graph, 21, 10, domains={"com.example": 3, "org.example.other": 1}), None


@small("doc strings and metadata at every level, denotations, quantization annotations, value info, training info, a device configuration")
def documented():
    x, y, h = value("x", T.FLOAT, ["batch", 3]), value("y", T.FLOAT, ["batch", 3]), value("h", T.FLOAT, ["batch", 3])
    for v in (x, y, h):
        v.doc_string = f"value {v.name}"
        v.metadata_props.add(key="kind", value=f"value {v.name}")
        v.type.denotation = "TENSOR"
    x.type.tensor_type.shape.dim[0].denotation = "DATA_BATCH"
    w = tensor(floats(3, 3), "w")
    w.doc_string = "weights"
    w.metadata_props.add(key="kind", value="tensor")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"], name="product", doc_string="x times w"),
             helper.make_node("Softmax", ["h"], ["y"], name="share", axis=-1)]
    nodes[1].attribute[0].doc_string = "the last axis"
    for n in nodes:
        n.metadata_props.add(key="origin", value=f"layer.{n.name}")
    nodes[0].device_configurations.add(configuration_id="two", pipeline_stage=1)
    graph = helper.make_graph(nodes, "documented", [x], [y], [w, tensor(0.5, "w_scale", np.float32)], doc_string="a graph", value_info=[h])
    graph.metadata_props.add(key="kind", value="graph")
    note = graph.quantization_annotation.add(tensor_name="w")
    note.quant_parameter_tensor_names.add(key="SCALE_TENSOR", value="w_scale")
    model = model_of(graph, 23, 11, doc_string="a model", domain="org.cameo.test", model_version=42, producer_version="1.2")
    model.metadata_props.add(key="licence", value="Apache-2.0")
    model.metadata_props.add(key="empty", value="")
    model.configuration.add(name="two", num_devices=2, device=["cpu:0", "cpu:1"])
    step = model.training_info.add()
    step.algorithm.CopyFrom(helper.make_graph([helper.make_node("Sub", ["w", "w"], ["w_next"])], "train", [], [value("w_next", T.FLOAT, [3, 3])]))
    step.update_binding.add(key="w", value="w_next")
    return model, {"x": floats(2, 3)}


@small("a toy decoder: rotary positions, grouped heads, key and value caches concatenated, causal mask from past and length; dims past, length and "
       "total")
def kv_cache():
    heads, groups, size = 4, 2, 8
    dim = heads * size
    model = parser.parse_model("""
    <ir_version: 8, opset_import: ["": 17]>
    decoder (float[b, length, 32] x, float[b, 2, past, 8] past_key, float[b, 2, past, 8] past_value)
      => (float[b, length, 32] y, float[b, 2, total, 8] present_key, float[b, 2, total, 8] present_value)
    <int64[4] q_shape = {0, 0, 4, 8}, int64[4] k_shape = {0, 0, 2, 8}, int64[3] y_shape = {0, 0, 32}, int64 axis2 = {2}, int64 axis1 = {1},
     int64 zero = {0}, int64 one = {1}, int64[1] at_two = {2}, int64[1] at_one = {1}, int64[1] at_zero = {0}, int64[5] repeat = {1, 1, 2, 1, 1},
     int64[4] joined = {0, 4, -1, 8}, float scale = {0.35355338}, float lowest = {-3.4028235e38}, float nothing = {0.0}> {
      q0 = MatMul(x, wq)   q1 = Reshape(q0, q_shape)   q2 = Transpose<perm = [0, 2, 1, 3]>(q1)
      k0 = MatMul(x, wk)   k1 = Reshape(k0, k_shape)   k2 = Transpose<perm = [0, 2, 1, 3]>(k1)
      v0 = MatMul(x, wv)   v1 = Reshape(v0, k_shape)   v2 = Transpose<perm = [0, 2, 1, 3]>(v1)
      xs = Shape(x)        length = Gather<axis = 0>(xs, axis1)
      ps = Shape(past_key) before = Gather<axis = 0>(ps, axis2)
      end = Add(before, length)
      rows = Range(before, end, one)   columns = Range(zero, end, one)
      row = Unsqueeze(rows, at_one)    column = Unsqueeze(columns, at_zero)
      ahead = Greater(column, row)
      mask = Where(ahead, lowest, nothing)
      row_f = Cast<to = 1>(row)
      angle = Mul(row_f, frequencies)
      twice = Concat<axis = -1>(angle, angle)
      c = Cos(twice)       s = Sin(twice)
      qa, qb = Split<axis = -1>(q2)    qn = Neg(qb)    qr = Concat<axis = -1>(qn, qa)    qc = Mul(q2, c)    qs = Mul(qr, s)    q = Add(qc, qs)
      ka, kb = Split<axis = -1>(k2)    kn = Neg(kb)    kr = Concat<axis = -1>(kn, ka)    kc = Mul(k2, c)    ks = Mul(kr, s)    k = Add(kc, ks)
      present_key = Concat<axis = 2>(past_key, k)
      present_value = Concat<axis = 2>(past_value, v2)
      ku = Unsqueeze(present_key, at_two)     kt = Tile(ku, repeat)     keys = Reshape(kt, joined)
      vu = Unsqueeze(present_value, at_two)   vt = Tile(vu, repeat)     values = Reshape(vt, joined)
      turned = Transpose<perm = [0, 1, 3, 2]>(keys)
      product = MatMul(q, turned)
      scaled = Mul(product, scale)
      masked = Add(scaled, mask)
      share = Softmax<axis = -1>(masked)
      mixed = MatMul(share, values)
      back = Transpose<perm = [0, 2, 1, 3]>(mixed)
      flat = Reshape(back, y_shape)
      out = MatMul(flat, wo)
      y = Add(x, out)
    }""")
    for name, shape in (("wq", (dim, dim)), ("wk", (dim, groups * size)), ("wv", (dim, groups * size)), ("wo", (dim, dim))):
        model.graph.initializer.append(tensor(0.2 * floats(*shape), name))
    model.graph.initializer.append(tensor([1, 0.3, 0.1, 0.03], "frequencies", np.float32))
    return model, {"x": floats(1, 3, dim), "past_key": floats(1, groups, 5, size), "past_value": floats(1, groups, 5, size)}


# ---------------------------------------------------------------- old opsets


@small("opset 9, IR 3: initializers listed among the inputs, Conv and BatchNormalization, Dropout, Softmax over the flattened rest, Upsample")
def cnn_opset9():
    weights = {"w": 0.3 * floats(6, 3, 3, 3), "b": floats(6), "gamma": 1 + 0.1 * floats(6), "beta": floats(6), "mean": floats(6),
               "variance": np.abs(floats(6)) + 0.5, "scales": np.array([1, 1, 2, 2], np.float32), "fc": 0.1 * floats(6 * 16, 5), "fb": floats(5)}
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], kernel_shape=[3, 3], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("BatchNormalization", ["c", "gamma", "beta", "mean", "variance"], ["n"], epsilon=1e-3, momentum=0.99),
        helper.make_node("LeakyRelu", ["n"], ["r"], alpha=0.1),
        helper.make_node("Upsample", ["r", "scales"], ["u"], mode="nearest"),
        helper.make_node("MaxPool", ["u"], ["p"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Dropout", ["p"], ["d"], ratio=0.4),
        helper.make_node("Flatten", ["d"], ["f"], axis=1),
        helper.make_node("Gemm", ["f", "fc", "fb"], ["g"]),
        helper.make_node("Softmax", ["g"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "old", [value("x", T.FLOAT, [1, 3, 8, 8])] + [value(k, T.FLOAT, list(v.shape)) for k, v in weights.items()],
                              [value("y", T.FLOAT, [1, 5])], [tensor(v, k) for k, v in weights.items()])
    return model_of(graph, 9, 3), {"x": floats(1, 3, 8, 8)}


@small("opset 11: Softmax and LogSoftmax over flattened axes, attributes that became inputs (Squeeze, Unsqueeze, ReduceSum, Split), Clip and Pad by inputs, "
       "Hardmax, TopK")
def attributes_opset11():
    return parser.parse_model("""
    <ir_version: 6, opset_import: ["": 11]>
    old (float[2, 3, 4] x) => (float[a, b, c, d] y, float[2, 3, 4] h, float[2, 3, 2] top, int64[2, 3, 2] at) <float low = {0.01}, float high = {0.9}, int64[6] pads = {0, 0, 1, 0, 0, 1}, int64[1] k = {2}> {
      s = Softmax<axis = 1>(x)
      l = LogSoftmax(x)
      h = Hardmax<axis = 2>(x)
      c = Clip(s, low, high)
      p = Pad<mode = "constant">(c, pads)
      u = Unsqueeze<axes = [0, -1]>(p)
      q = Squeeze<axes = [0]>(u)
      r = ReduceSum<axes = [1], keepdims = 1>(q)
      e, f = Split<axis = 2, split = [2, 4]>(r)
      y = Concat<axis = 2>(f, e)
      top, at = TopK<axis = -1>(l, k)
    }"""), {"x": floats(2, 3, 4)}


@small("opset 6, IR 3: broadcast and axis attributes of Add, Mul and Gemm, Reshape by input, BatchNormalization with is_test and spatial")
def broadcast_opset6():
    w = {"bias": floats(4), "rows": floats(3, 4), "m": floats(20, 2), "c": floats(2), "gamma": 1 + 0.1 * floats(4), "beta": floats(4),
         "mean": floats(4), "variance": np.abs(floats(4)) + 0.5}
    nodes = [
        helper.make_node("Add", ["x", "bias"], ["a"], broadcast=1, axis=1),
        helper.make_node("BatchNormalization", ["a", "gamma", "beta", "mean", "variance"], ["n"], is_test=1, spatial=1, epsilon=1e-5),
        helper.make_node("Mul", ["n", "rows"], ["p"], broadcast=1, axis=0),
        helper.make_node("Reshape", ["p", "shape"], ["f"]),
        helper.make_node("Gemm", ["f", "m", "c"], ["y"], broadcast=1),
    ]
    tensors = [tensor(v, k) for k, v in w.items()] + [tensor([3, 20], "shape", np.int64)]
    inputs = [value("x", T.FLOAT, [3, 4, 5])] + [helper.make_tensor_value_info(t.name, t.data_type, list(t.dims)) for t in tensors]
    graph = helper.make_graph(nodes, "older", inputs, [value("y", T.FLOAT, [3, 2])], tensors)
    x = floats(3, 4, 5)
    c = lambda v: v[None, :, None]
    n = (x + c(w["bias"]) - c(w["mean"])) / np.sqrt(c(w["variance"]) + 1e-5) * c(w["gamma"]) + c(w["beta"])
    y = (n * w["rows"][:, :, None]).reshape(3, 20) @ w["m"] + w["c"]
    return model_of(graph, 6, 3), {"x": x}, {"y": y.astype(np.float32)}


# ---------------------------------------------------------------- writing


def compute(path, inputs):
    """(outputs by name, who computed them, why ONNX Runtime did not)"""
    try:
        return common.ort_run(path, inputs), "onnxruntime", None
    except Exception as error:
        reason = str(error).splitlines()[0][:160].replace(str(SMALL) + "/", "")
    try:
        from onnx.reference import ReferenceEvaluator

        e = ReferenceEvaluator(str(path))
        return dict(zip(e.output_names, e.run(None, inputs))), "onnx.reference", reason
    except Exception:
        return None, None, reason


def main():
    SMALL.mkdir(exist_ok=True)
    listing = {}
    for name, (text, function) in MODELS.items():
        made, inputs, *given = function()
        path = SMALL / f"{name}.onnx"
        path.write_bytes(made.SerializeToString(deterministic=True))
        entry = listing[name] = {"holds": text, "ir_version": made.ir_version, "opset": made.opset_import[0].version,
                                 "checker": common.check_model(path), "expected_from": None, "onnxruntime": None}
        if inputs is None:
            continue
        outputs, entry["expected_from"], entry["onnxruntime"] = compute(path, inputs)
        if given:
            for k, v in given[0].items():
                assert outputs is None or k not in outputs or common.closeness(v, outputs[k]) < 1e-5, (name, k)
            outputs, entry["expected_from"] = given[0], "make_small.py" + (f", as {entry['expected_from']}" if outputs else "")
        if outputs:
            common.save_npz(SMALL / f"{name}.inputs.npz", inputs)
            common.save_npz(SMALL / f"{name}.expected.npz", outputs)
    common.save_text(SMALL / "listing.json", json.dumps(listing, indent=1, ensure_ascii=False) + "\n")
    for name, e in listing.items():
        print(f"{name:20} opset {e['opset']:2} IR {e['ir_version']:2}  expected: {e['expected_from'] or '-'}  "
              + "; ".join(f"{k}: {e[k]}" for k in ("checker", "onnxruntime") if e[k]))


if __name__ == "__main__":
    main()
