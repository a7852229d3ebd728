"""Models of one operator, in Cameo and in PyTorch on the same GPU in turn: products and attention.

usage: gpu_kernels.py CAMEO [WORD...]     those whose name contains a WORD

Prints a JSON line each: {"name", "cameo_ms", "cameo_tflops", "peer_ms" by name, "aim_tflops"}. Times are the device's own between two
events: Cameo's of `cameo bench --operators`, PyTorch's the median of 30 calls, both behind 300 others, since the device's clock follows its temperature;
of products the medians of three turns. Values are normal, made anew for each; of int8 products all bytes, the right side is constant, and sums are int32
(PyTorch's torch._int_mm); of fp8 ones (float8e4m3fn, a constant right side, one scale each) results are bfloat16 (torch._scaled_mm)."""
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from onnx import TensorProto, helper, save

TYPES = {"bf16": TensorProto.BFLOAT16, "fp16": TensorProto.FLOAT16, "fp32": TensorProto.FLOAT}
# name, element type, m, n, k
PRODUCTS = [
    ("product 8192^3", "bf16", 8192, 8192, 8192), ("product 8192^3", "fp16", 8192, 8192, 8192),
    ("product 4096^3", "bf16", 4096, 4096, 4096), ("product 512 x 3072 x 768", "fp16", 512, 3072, 768),
    ("product 4096 x 768 x 3072", "fp16", 4096, 768, 3072),
    ("product 8192^3", "int8", 8192, 8192, 8192), ("product 4096^3", "int8", 4096, 4096, 4096),
    ("product 4096 x 768 x 3072", "int8", 4096, 768, 3072),
    ("product 8192^3", "fp8", 8192, 8192, 8192), ("product 4096^3", "fp8", 4096, 4096, 4096),
    ("product 512 x 3072 x 768", "fp8", 512, 3072, 768), ("product 4096 x 768 x 3072", "fp8", 4096, 768, 3072),
]
TURNS, WARMUP = 3, 300
# batch, heads, heads of K and V, S, head size, causal, TFLOP/s asked
ATTENTION = [
    (4, 16, 16, 4096, 128, False, 500), (4, 16, 16, 4096, 128, True, 420), (8, 16, 16, 2048, 64, False, 330),
    (8, 16, 16, 2048, 64, True, None), (1, 16, 16, 16384, 128, False, None), (1, 32, 8, 8192, 128, True, None),
    (1, 12, 12, 2048, 256, True, None), (4, 16, 16, 2048, 96, True, None),
]


def model(nodes, inputs, output, kind, opset, path):
    declared = [helper.make_tensor_value_info(n, TYPES[kind], s) for n, s in inputs]
    graph = helper.make_graph(nodes, "g", declared, [helper.make_tensor_value_info("y", TYPES[kind], output)])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10), path)


def cameo(binary, path):
    """Milliseconds of the operators, and the memory that the device holds beside inputs and outputs."""
    done = subprocess.run(
        [binary, "bench", path, "--provider", "cuda", "--on-device", "--operators", "--iterations", "30", "--warmup", str(WARMUP), "--json"],
        capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-300:])
    figures = json.loads(done.stdout)
    if figures["on_host"]:
        raise RuntimeError(f"steps on the host: {figures['on_host']}")
    return sum(o["ms"] for o in figures["operators"]), figures["device_arena_bytes"]


def timed(function):
    import torch

    for _ in range(WARMUP):
        function()
    times = []
    for _ in range(30):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        function()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times)


def torch_type(kind):
    import torch

    return {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[kind]


def product(binary, folder, name, kind, m, n, k):
    import torch

    path = str(folder / "product.onnx")
    if kind == "int8":
        integer_model(m, n, k, path)
        a, b = (torch.randint(-128, 128, s, device="cuda", dtype=torch.int8) for s in ((m, k), (n, k)))
        peer = lambda: torch._int_mm(a, b.t())
    elif kind == "fp8":
        import float8_models

        float8_models.save_product(path, m, n, k)
        a, b = (torch.randn(s, device="cuda").to(torch.float8_e4m3fn) for s in ((m, k), (n, k)))
        one = torch.ones((), device="cuda")
        peer = lambda: torch._scaled_mm(a, b.t(), scale_a=one, scale_b=one, out_dtype=torch.bfloat16, use_fast_accum=False)
    else:
        model([helper.make_node("MatMul", ["a", "b"], ["y"])], [("a", [m, k]), ("b", [k, n])], [m, n], kind, 17, path)
        a, b = (torch.randn(s, device="cuda", dtype=torch_type(kind)) for s in ((m, k), (k, n)))
        peer = lambda: a @ b
    turns = [(cameo(binary, path)[0], timed(peer)) for _ in range(TURNS)]
    ours, theirs = (statistics.median(t[i] for t in turns) for i in (0, 1))
    work = 2e-9 * m * n * k
    return {
        "name": f"{name} {kind}", "cameo_ms": ours, "cameo_tflops": work / ours, "peer_ms": {"torch": theirs}, "aim_ms": theirs * 1.03,
        "turns": turns}


def integer_model(m, n, k, path):
    """MatMulInteger with a constant right side."""
    import numpy as np
    from onnx import numpy_helper

    b = numpy_helper.from_array(np.random.default_rng(1).integers(-128, 128, (k, n), dtype=np.int8), "b")
    graph = helper.make_graph(
        [helper.make_node("MatMulInteger", ["a", "b"], ["y"])], "g", [helper.make_tensor_value_info("a", TensorProto.INT8, [m, k])],
        [helper.make_tensor_value_info("y", TensorProto.INT32, [m, n])], [b])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)


def attention(binary, folder, batch, heads, shared, length, size, causal, aim):
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    path = str(folder / "attention.onnx")
    q, kv = [batch, heads, length, size], [batch, shared, length, size]
    node = helper.make_node("Attention", ["q", "k", "v"], ["y"], is_causal=int(causal))
    model([node], [("q", q), ("k", kv), ("v", kv)], q, "bf16", 23, path)
    ours, arena = cameo(binary, path)
    a = torch.randn(q, device="cuda", dtype=torch.bfloat16)
    b, c = (torch.randn(kv, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    peers = {}
    for label, backend in (("torch flash", SDPBackend.FLASH_ATTENTION), ("torch cudnn", SDPBackend.CUDNN_ATTENTION)):
        try:
            with sdpa_kernel(backend):
                peers[label] = timed(lambda: torch.nn.functional.scaled_dot_product_attention(
                    a, b, c, is_causal=causal, enable_gqa=heads != shared))
        except RuntimeError:
            continue
    work = 4e-9 * batch * heads * length * length * size / (2 if causal else 1)
    name = f"attention B{batch} H{heads}{f'/{shared}' if shared != heads else ''} S{length} D{size}{' causal' if causal else ''}"
    return {
        "name": name, "cameo_ms": ours, "cameo_tflops": work / ours, "peer_ms": peers, "aim_ms": work / aim if aim else None,
        "arena_bytes": arena}


def main():
    binary, words = sys.argv[1], sys.argv[2:]
    jobs = [(f"{p[0]} {p[1]}", product, p) for p in PRODUCTS]
    jobs += [(f"attention S{a[3]} D{a[4]}", attention, a) for a in ATTENTION]
    with tempfile.TemporaryDirectory() as folder:
        for name, job, arguments in jobs:
            if words and not any(w in name for w in words):
                continue
            try:
                print(json.dumps(job(binary, Path(folder), *arguments)), flush=True)
            except Exception as error:
                print(json.dumps({"name": name, "error": str(error)[-300:]}), flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main()
