"""ViT-B/16 for a batch size, as a textbook has it, with random weights: the zoo's file is fixed to one image.

usage: vit_model.py BATCH OUT.onnx"""
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTH, HEADS, LAYERS, TOKENS = 768, 12, 12, 197


class Builder:
    def __init__(self):
        self.nodes, self.weights = [], []
        self.random = numpy.random.default_rng(0)

    def weight(self, name, *shape, spread=0.02, offset=0.0):
        values = self.random.standard_normal(shape, dtype=numpy.float32) * numpy.float32(spread) + numpy.float32(offset)
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def ints(self, name, values):
        self.weights.append(numpy_helper.from_array(numpy.array(values, dtype=numpy.int64), name))
        return name

    def add(self, operator, inputs, name, **attributes):
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def linear(self, x, name, size, out):
        product = self.add("MatMul", [x, self.weight(name + ".weight", size, out)], name + ".product")
        return self.add("Add", [product, self.weight(name + ".bias", out)], name + ".sum")

    def norm(self, x, name):
        scale = self.weight(name + ".weight", WIDTH, offset=1.0)
        return self.add("LayerNormalization", [x, scale, self.weight(name + ".bias", WIDTH)], name + ".norm", epsilon=1e-6)

    def block(self, x, name, batch):
        heads = self.ints(name + ".heads", [batch, TOKENS, HEADS, WIDTH // HEADS])
        whole = self.ints(name + ".whole", [batch, TOKENS, WIDTH])
        inner = self.norm(x, name + ".1")
        parts = []
        for part, order in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
            projected = self.linear(inner, f"{name}.{part}", WIDTH, WIDTH)
            split = self.add("Reshape", [projected, heads], f"{name}.{part}.heads")
            parts.append(self.add("Transpose", [split], f"{name}.{part}.turned", perm=order))
        scores = self.add("MatMul", parts[:2], name + ".scores")
        scale = self.add("Mul", [scores, "scale"], name + ".scaled")
        shares = self.add("Softmax", [scale], name + ".shares", axis=-1)
        mixed = self.add("MatMul", [shares, parts[2]], name + ".mixed")
        turned = self.add("Transpose", [mixed], name + ".mixed.turned", perm=[0, 2, 1, 3])
        joined = self.add("Reshape", [turned, whole], name + ".joined")
        x = self.add("Add", [x, self.linear(joined, name + ".out", WIDTH, WIDTH)], name + ".residual")
        hidden = self.linear(self.norm(x, name + ".2"), name + ".fc1", WIDTH, 4 * WIDTH)
        active = self.add("Gelu", [hidden], name + ".gelu")
        return self.add("Add", [x, self.linear(active, name + ".fc2", 4 * WIDTH, WIDTH)], name + ".result")


def make(batch, path):
    builder = Builder()
    builder.weights.append(numpy_helper.from_array(numpy.array((WIDTH // HEADS) ** -0.5, dtype=numpy.float32), "scale"))
    kernel = builder.weight("patch.weight", WIDTH, 3, 16, 16)
    patches = builder.add("Conv", ["x", kernel, builder.weight("patch.bias", WIDTH)], "patches", strides=[16, 16])
    flat = builder.add("Reshape", [patches, builder.ints("flat", [batch, WIDTH, TOKENS - 1])], "patches.flat")
    tokens = builder.add("Transpose", [flat], "patches.tokens", perm=[0, 2, 1])
    first = builder.add("Expand", [builder.weight("class", 1, 1, WIDTH), builder.ints("firsts", [batch, 1, WIDTH])], "class.batch")
    joined = builder.add("Concat", [first, tokens], "tokens", axis=1)
    x = builder.add("Add", [joined, builder.weight("positions", 1, TOKENS, WIDTH)], "embedded")
    for layer in range(LAYERS):
        x = builder.block(x, f"block{layer}", batch)
    last = builder.add("Gather", [builder.norm(x, "final"), builder.ints("zero", 0)], "first", axis=1)
    head = builder.weight("head.weight", WIDTH, 1000)
    builder.nodes.append(helper.make_node("Gemm", [last, head, builder.weight("head.bias", 1000)], ["y"], name="head"))
    graph = helper.make_graph(
        builder.nodes, "vit", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 224, 224])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 1000])], builder.weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(model, path)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    make(int(sys.argv[1]), sys.argv[2])
