"""Writes models of products of 8-bit floats as test folders (model.onnx, test_data_set_0), with QuantizeLinear and DequantizeLinear as quantizers
write them: what `cameo conformance FOLDER --provider cuda --level 3` multiplies as such.

usage: float8_models.py FOLDER [WORD...]     those whose name contains a WORD

Expected outputs are sums in float64 of the numbers that ml_dtypes rounds to. Values are halves from -2 to 2 and scales powers of two, so that every
partial sum is exact however it is added up; "random" ones are normal around 1/2, so that no sum is near 0."""
import json
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

KINDS = {"e4m3": (TensorProto.FLOAT8E4M3FN, ml_dtypes.float8_e4m3fn, 448), "e5m2": (TensorProto.FLOAT8E5M2, ml_dtypes.float8_e5m2, 57344)}
FLOATS = {"float": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "bfloat16": TensorProto.BFLOAT16}
NUMPY = {"float": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}

# Name, m, n, k, and what differs from a MatMul of float with one scale each.
TESTS = [
    ("square_4096", 4096, 4096, 4096, {}),
    ("square_8192", 8192, 8192, 8192, {"real": "bfloat16"}),
    ("bert", 512, 3072, 768, {}),
    ("bert_random", 512, 3072, 768, {"random": True}),
    ("bert_float16", 512, 3072, 768, {"real": "float16"}),
    ("odd", 17, 40, 48, {}),
    ("odd_random", 17, 40, 48, {"random": True}),
    ("odd_columns", 33, 1000, 272, {"columns": True}),
    ("odd_depth", 9, 64, 50, {"activation": "Relu", "bias": True}),
    ("columns", 512, 768, 3072, {"columns": True}),
    ("columns_bfloat16", 512, 768, 3072, {"columns": True, "real": "bfloat16", "bias": True}),
    ("gemm_bias_relu", 512, 3072, 768, {"gemm": True, "bias": True, "activation": "Relu"}),
    ("gemm_turned_columns", 130, 272, 96, {"gemm": True, "turned": True, "columns": True, "bias": True}),
    ("bias_gelu", 256, 3072, 768, {"bias": True, "activation": "Gelu", "random": True}),
    ("bias_residual", 256, 768, 3072, {"bias": True, "residual": True}),
    ("turned_by_transpose", 128, 256, 512, {"transposed": True, "columns": True}),
    ("e5m2", 512, 768, 1024, {"left": "e5m2"}),
    ("e5m2_weights", 128, 768, 1024, {"right": "e5m2"}),
    ("e5m2_both", 512, 768, 1024, {"left": "e5m2", "right": "e5m2"}),
    ("one_row", 1, 4096, 4096, {"bias": True}),
    ("few_rows", 7, 4096, 4096, {"columns": True}),
    ("computed_right", 64, 96, 128, {"computed": True}),
    ("computed_batches", 64, 96, 128, {"computed": True, "batches": [3, 4]}),
    ("computed_scale", 128, 256, 512, {"given_scale": True}),
    ("computed_scale_columns", 128, 256, 512, {"given_scale": True, "columns": True, "bias": True, "activation": "Relu"}),
    ("batches", 40, 64, 96, {"batches": [2, 3]}),
    ("saturated", 32, 64, 64, {"large": True}),
]


def encoded(name, values, kind):
    code, numpy, _ = KINDS[kind]
    return helper.make_tensor(name, code, values.shape, values.astype(numpy).tobytes(), raw=True)


def save_model(path, nodes, inputs, outputs, constants):
    graph = helper.make_graph(nodes, "g", inputs, outputs, constants)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10), path)


def save_product(path, m, n, k):
    """A product of float8e4m3fn as it lies: bfloat16 of a given left side and a constant right one."""
    rng = np.random.default_rng(1)
    one = helper.make_tensor("s", TensorProto.BFLOAT16, [], np.ones((), ml_dtypes.bfloat16).tobytes(), raw=True)
    nodes = [
        helper.make_node("DequantizeLinear", ["a", "s"], ["x"]), helper.make_node("DequantizeLinear", ["w", "s"], ["b"]),
        helper.make_node("MatMul", ["x", "b"], ["y"])]
    save_model(
        path, nodes, [helper.make_tensor_value_info("a", TensorProto.FLOAT8E4M3FN, [m, k])],
        [helper.make_tensor_value_info("y", TensorProto.BFLOAT16, [m, n])],
        [encoded("w", rng.standard_normal((k, n), np.float32), "e4m3"), one])


class Product:
    """Nodes, constants and inputs of one test, and its expected output."""

    def __init__(self, m, n, k, options):
        self.options = options
        self.real = options.get("real", "float")
        self.nodes, self.constants, self.given = [], [], []
        rng = np.random.default_rng(m + n + k)

        def values(shape):
            if options.get("random"):
                return rng.standard_normal(shape, np.float32) + np.float32(0.5)
            return rng.integers(-4, 5, shape).astype(np.float32) / 2

        batches = options.get("batches", [])
        left, right = options.get("left", "e4m3"), options.get("right", "e4m3")
        a_scale = np.float32(0.25)
        x = values([*batches, m, k]) * a_scale
        if options.get("large"):
            # What is beyond the type's range becomes its largest number.
            x[..., 0] *= 1e6
        a = self.quantized("x", x, a_scale, left, given_scale=options.get("given_scale"))
        b_scale = np.float32(0.5)
        if options.get("columns"):
            b_scale = np.exp2(rng.integers(-3, 1, n)).astype(np.float32)
        if options.get("computed"):
            y = values([*batches, k, n]) * b_scale
            b = self.quantized("z", y, b_scale, right)
        else:
            b = self.weights(values([k, n]), b_scale, right)
        y = self.multiply(a, b)
        self.finish(y, rng, [*batches, m, n])

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.asarray(value).astype(NUMPY[self.real]), name))
        return name

    def input(self, name, value):
        self.given.append((name, value.astype(NUMPY[self.real])))
        return name

    def quantized(self, name, x, scale, kind, given_scale=False):
        """Input `name` through QuantizeLinear and DequantizeLinear; the numbers behind it."""
        code, numpy, largest = KINDS[kind]
        self.input(name, x)
        self.constants.append(encoded(f"{name}_zero", np.zeros((), np.float32), kind))
        place = self.input(f"{name}_scale", np.asarray(scale)) if given_scale else self.constant(f"{name}_scale", scale)
        self.nodes += [
            helper.make_node("QuantizeLinear", [name, place, f"{name}_zero"], [f"{name}_q"]),
            helper.make_node("DequantizeLinear", [f"{name}_q", place, f"{name}_zero"], [f"{name}_d"])]
        quotient = (x.astype(NUMPY[self.real]) / np.asarray(scale, NUMPY[self.real])).astype(np.float32)
        return np.clip(quotient, -largest, largest).astype(numpy).astype(np.float64) * np.float64(scale)

    def weights(self, w, scale, kind):
        turned = self.options.get("turned") or self.options.get("transposed")
        self.constants.append(encoded("w", w.T if turned else w, kind))
        self.nodes.append(
            helper.make_node("DequantizeLinear", ["w", self.constant("w_scale", scale)], ["w_d"], axis=0 if turned else 1))
        if self.options.get("transposed"):
            self.nodes.append(helper.make_node("Transpose", ["w_d"], ["w_t"], perm=[1, 0]))
        return w.astype(KINDS[kind][1]).astype(np.float64) * np.asarray(scale, np.float64)

    def multiply(self, a, b):
        self.right = "z_d" if self.options.get("computed") else "w_t" if self.options.get("transposed") else "w_d"
        return product(a, b)

    def finish(self, y, rng, shape):
        options = self.options
        value, steps = "p", []
        bias = rng.integers(-8, 9, shape[-1]).astype(np.float32) / 8
        if options.get("gemm"):
            inputs = ["x_d", self.right] + ([self.constant("bias", bias)] if options.get("bias") else [])
            self.nodes.append(helper.make_node("Gemm", inputs, [value], transB=int(bool(options.get("turned")))))
            y = y + bias if options.get("bias") else y
        else:
            self.nodes.append(helper.make_node("MatMul", ["x_d", self.right], [value]))
            if options.get("bias"):
                steps.append(("Add", [self.constant("bias", bias)]))
                y = y + bias
        if options.get("residual"):
            residual = rng.integers(-8, 9, shape).astype(np.float32) / 8
            steps.append(("Add", [self.input("residual", residual)]))
            y = y + residual
        if options.get("activation"):
            steps.append((options["activation"], []))
            y = np.maximum(y, 0) if options["activation"] == "Relu" else gelu(y)
        for index, (operator, others) in enumerate(steps):
            self.nodes.append(helper.make_node(operator, [value, *others], [f"v{index}"]))
            value = f"v{index}"
        self.result, self.expected = value, y.astype(np.float32).astype(NUMPY[self.real])

    def save(self, folder):
        data = folder / "test_data_set_0"
        data.mkdir(parents=True, exist_ok=True)
        info = lambda name, value: helper.make_tensor_value_info(name, FLOATS[self.real], value.shape)
        save_model(
            str(folder / "model.onnx"), self.nodes, [info(*g) for g in self.given], [info(self.result, self.expected)], self.constants)
        for index, (name, value) in enumerate(self.given):
            (data / f"input_{index}.pb").write_bytes(numpy_helper.from_array(value, name).SerializeToString())
        (data / "output_0.pb").write_bytes(numpy_helper.from_array(self.expected, self.result).SerializeToString())
        # Two units of the last place of halves; of float32, what tensor cores keep of random numbers.
        bits = {"float": 10 if self.options.get("random") else 20, "float16": 10, "bfloat16": 7}[self.real]
        (folder / "data.json").write_text(json.dumps({"rtol": 2.0 ** (1 - bits), "atol": 1e-5}))


def gelu(x):
    from math import sqrt

    try:
        from scipy.special import erf
    except ImportError:
        import torch

        erf = lambda v: torch.erf(torch.from_numpy(v)).numpy()
    return 0.5 * x * (1 + erf(x / sqrt(2)))


def product(a, b):
    """In float64, on a GPU where there is one."""
    try:
        import torch

        if torch.cuda.is_available():
            return (torch.from_numpy(a).cuda() @ torch.from_numpy(b).cuda()).cpu().numpy()
    except ImportError:
        pass
    return a @ b


def main():
    folder, words = Path(sys.argv[1]), sys.argv[2:]
    for name, m, n, k, options in TESTS:
        if not words or any(w in name for w in words):
            Product(m, n, k, options).save(folder / f"float8_{name}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main()
