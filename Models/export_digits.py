"""Writes the embedded models as torch.onnx (TorchScript, opset 17, constant folding off) spells them: normalisation, Gelu and
attention decomposed, shapes computed from the input, BatchNormalization beside its convolution, scoped node names."""
from collections import Counter

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HEADS, LAYERS = 4, 3


class Writer:
    def __init__(self, weights):
        self.nodes, self.initializers, self.names, self.scope = [], [], Counter(), ""
        self.weights, self.used = weights, {}

    def op(self, kind, *inputs, outputs=1, **attributes):
        """Adds a node named as torch does, by module path; gives the name of its (first) output."""
        base = f"{self.scope}/{kind}"
        count = self.names[base]
        self.names[base] += 1
        name = base if not count else f"{base}_{count}"
        result = [f"{name}_output_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), result, name=name, **attributes))
        return result[0]

    def constant(self, value, dtype=np.float32):
        return self.op("Constant", value=numpy_helper.from_array(np.asarray(value, dtype)))

    def ints(self, *values):
        return self.constant(values, np.int64)

    def weight(self, name, transposed=False):
        """A parameter as initializer; a transposed one is the MatMul operand that torch names onnx::MatMul_N."""
        key = (name, transposed)
        if key not in self.used:
            self.used[key] = f"onnx::MatMul_{100 + len(self.used)}" if transposed else name
            array = self.weights[name].T if transposed else self.weights[name]
            self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), self.used[key]))
        return self.used[key]

    def linear(self, scope, name, x):
        outer, self.scope = self.scope, f"{self.scope}/{scope}"
        y = self.op("Add", self.weight(name + ".bias"), self.op("MatMul", x, self.weight(name + ".weight", True)))
        self.scope = outer
        return y

    def size(self, x, axis):
        """x.shape[axis] as a scalar, the way tracing records it."""
        return self.op("Gather", self.op("Shape", x), self.constant(axis, np.int64), axis=0)

    def shape(self, *sizes):
        """A shape of traced scalars (names) and fixed integers."""
        parts = [self.op("Unsqueeze", s, self.ints(0)) if isinstance(s, str) else self.ints(s) for s in sizes]
        return self.op("Concat", *parts, axis=0)

    def save(self, path, title, result):
        self.nodes[-1].output[0] = result
        graph = helper.make_graph(
            self.nodes, "main_graph",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
            [helper.make_tensor_value_info(result, TensorProto.FLOAT, ["batch", 10])], self.initializers)
        model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)],
                                  producer_name="cameo-models", producer_version="1", doc_string=title)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, str(path))


def cnn(weights, path):
    w = Writer(weights)

    def unit(name, x, kernel, activation=None, groups=1):
        w.scope = "/" + name.replace(".", "/")
        x = w.op("Conv", x, w.weight(name + ".conv.weight"), dilations=[1, 1], group=groups, kernel_shape=[kernel] * 2,
                 pads=[kernel // 2] * 4, strides=[1, 1])
        x = w.op("BatchNormalization", x, *(w.weight(f"{name}.bn.{part}") for part in (
            "weight", "bias", "running_mean", "running_var")), epsilon=1e-5, momentum=0.9, training_mode=0)
        return w.op(activation, x) if activation else x

    x = unit("stem", "image", 3, "Relu")
    y = unit("block.1", unit("block.0", x, 3, "Relu"), 3)
    w.scope = "/block"
    x = w.op("Relu", w.op("Add", y, x))
    w.scope = "/pool"
    x = w.op("MaxPool", x, ceil_mode=0, dilations=[1, 1], kernel_shape=[2, 2], pads=[0] * 4, strides=[2, 2])
    x = unit("depthwise", unit("expand", x, 1, "HardSwish"), 3, "HardSwish", groups=48)
    w.scope = "/se"
    point = dict(dilations=[1, 1], group=1, kernel_shape=[1, 1], pads=[0] * 4, strides=[1, 1])
    s = w.op("GlobalAveragePool", x)
    s = w.op("Relu", w.op("Conv", s, w.weight("se.reduce.weight"), w.weight("se.reduce.bias"), **point))
    s = w.op("Conv", s, w.weight("se.expand.weight"), w.weight("se.expand.bias"), **point)
    x = w.op("Mul", w.op("HardSigmoid", s, alpha=1 / 6, beta=0.5), x)
    x = unit("head", unit("project", x, 1), 1, "HardSwish")
    w.scope = ""
    x = w.op("Flatten", w.op("GlobalAveragePool", x), axis=1)
    w.scope = "/classifier"
    w.op("Gemm", x, w.weight("classifier.weight"), w.weight("classifier.bias"), alpha=1.0, beta=1.0, transB=1)
    w.save(path, "A small convolutional net for 8x8 digits", "logits")


def transformer(weights, path):
    w = Writer(weights)
    dim = weights["cls"].shape[-1]

    def norm(scope, name, x):
        w.scope = scope
        centred = w.op("Sub", x, w.op("ReduceMean", x, axes=[-1], keepdims=1))
        variance = w.op("ReduceMean", w.op("Pow", centred, w.constant(2.0)), axes=[-1], keepdims=1)
        y = w.op("Div", centred, w.op("Sqrt", w.op("Add", variance, w.constant(1e-5))))
        return w.op("Add", w.op("Mul", y, w.weight(name + ".weight")), w.weight(name + ".bias"))

    def heads(x, order):
        """B x N x D to B x heads x N x D/heads, or keys to B x heads x D/heads x N."""
        target = w.shape(w.size(x, 0), w.size(x, 1), HEADS, dim // HEADS)
        return w.op("Transpose", w.op("Reshape", x, target), perm=order)

    w.scope = "/patch"
    x = w.op("Conv", "image", w.weight("patch.weight"), w.weight("patch.bias"), dilations=[1, 1], group=1,
             kernel_shape=[2, 2], pads=[0] * 4, strides=[2, 2])
    head = w.op("Slice", w.op("Shape", x), w.ints(0), w.ints(2), w.ints(0))
    x = w.op("Reshape", x, w.op("Concat", head, w.ints(-1), axis=0))
    x = w.op("Transpose", x, perm=[0, 2, 1])
    w.scope = ""
    # cls.expand(batch, -1, -1) as tracing writes it: -1 stands for the size that is there
    target = w.shape(w.size("image", 0), -1, -1)
    minus = w.op("Mul", w.op("ConstantOfShape", w.ints(3), value=numpy_helper.from_array(np.array([1], np.int64))),
                 w.constant(-1, np.int64))
    ones = w.op("ConstantOfShape", w.ints(3), value=numpy_helper.from_array(np.array([1], np.int64)))
    target = w.op("Where", w.op("Equal", target, minus), ones, target)
    x = w.op("Concat", w.op("Expand", w.weight("cls"), target), x, axis=1)
    x = w.op("Add", x, w.weight("position"))
    for i in range(LAYERS):
        name, scope = f"layers.{i}.", f"/layers.{i}"
        h = norm(scope + "/norm1", name + "norm1", x)
        w.scope = scope + "/attention"
        q, k, v = (w.linear(n, name + n, h) for n in ("query", "key", "value"))
        q, k, v = heads(q, [0, 2, 1, 3]), heads(k, [0, 2, 3, 1]), heads(v, [0, 2, 1, 3])
        scores = w.op("Div", w.op("MatMul", q, k), w.constant(np.sqrt(dim // HEADS)))
        y = w.op("Transpose", w.op("MatMul", w.op("Softmax", scores, axis=-1), v), perm=[0, 2, 1, 3])
        y = w.op("Reshape", y, w.shape(w.size(y, 0), w.size(y, 1), dim))
        y = w.linear("out", name + "out", y)
        w.scope = scope
        x = w.op("Add", x, y)
        h = norm(scope + "/norm2", name + "norm2", x)
        w.scope = scope + "/mlp"
        h = w.linear("fc1", name + "fc1", h)
        w.scope = scope + "/mlp/act"
        half = w.op("Mul", h, w.op("Add", w.op("Erf", w.op("Div", h, w.constant(np.sqrt(2)))), w.constant(1.0)))
        h = w.op("Mul", half, w.constant(0.5))
        w.scope = scope + "/mlp"
        h = w.linear("fc2", name + "fc2", h)
        w.scope = scope
        x = w.op("Add", x, h)
    x = norm("/norm", "norm", x)
    w.scope = ""
    x = w.op("Gather", x, w.constant(0, np.int64), axis=1)
    w.scope = "/classifier"
    w.op("Gemm", x, w.weight("classifier.weight"), w.weight("classifier.bias"), alpha=1.0, beta=1.0, transB=1)
    w.save(path, "A small vision transformer for 8x8 digits", "logits")


def run(path, images):
    """Logits from ONNX Runtime, its graph optimizations disabled."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]).run(None, {"image": images})[0]


def save_npz(path, arrays):
    with open(path, "wb") as f:
        np.savez(f, **arrays)
