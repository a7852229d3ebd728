"""What the comparisons with other optimizers share: running one on a file, and one way to count nodes.

As a program, inside the peers' Python environment: peers.py PEER MODEL OUT writes what the peer makes of MODEL."""
import hashlib
import json
import sys
import time
from collections import Counter
from pathlib import Path

PEERS = ["ort basic", "ort extended", "onnxslim", "onnxsim"]


def versions():
    from importlib.metadata import version

    return {"ort basic": f"onnxruntime {version('onnxruntime')}", "ort extended": f"onnxruntime {version('onnxruntime')}",
            "onnxslim": f"onnxslim {version('onnxslim')}", "onnxsim": f"onnxsim {version('onnxsim')}"}


def load_skeleton(path):
    """The model with small initializers only: large ones are emptied, no external data is read."""
    import onnx

    model = onnx.load(path, load_external_data=False)

    def strip(graph):
        for tensor in graph.initializer:
            if len(tensor.raw_data) > 1024:
                tensor.raw_data = b""
                del tensor.dims[:]
                tensor.dims.append(0)
        for node in graph.node:
            for attribute in node.attribute:
                for body in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                    strip(body)

    strip(model.graph)
    return model


def count(path):
    """Nodes by operator: local functions inlined, subgraphs counted, Constants left out."""
    import onnx
    from onnx import inliner

    model = load_skeleton(path)
    if model.functions:
        model = inliner.inline_local_functions(model)
    counts = Counter()

    def walk(nodes):
        for node in nodes:
            if node.op_type != "Constant":
                counts[(node.domain + "." if node.domain not in ("", "ai.onnx") else "") + node.op_type] += 1
            for attribute in node.attribute:
                for body in [attribute.g] if attribute.type == onnx.AttributeProto.GRAPH else attribute.graphs:
                    walk(body.node)

    walk(model.graph.node)
    return dict(sorted(counts.items()))


def has_attention(path):
    """True where a Softmax stands between two products, or an attention operator is there."""
    import onnx
    from onnx import inliner

    model = load_skeleton(path)
    if model.functions:
        model = inliner.inline_local_functions(model)
    found = False

    def walk(nodes):
        nonlocal found
        makers = {o: n for n in nodes for o in n.output}
        readers = {}
        for n in nodes:
            for i in n.input:
                readers.setdefault(i, []).append(n)
        between = {"Add", "Mul", "Div", "Sub", "Where", "Cast", "Identity", "Dropout", "IsNaN", "Reshape", "Squeeze", "Unsqueeze", "Transpose"}

        def leads(node, step, depth=0):
            if node is None or depth > 8:
                return False
            if node.op_type in ("MatMul", "Gemm", "Einsum", "FusedMatMul"):
                return True
            return node.op_type in between and any(leads(n, step, depth + 1) for n in step(node))

        back = lambda n: [makers.get(i) for i in n.input]
        ahead = lambda n: [r for o in n.output for r in readers.get(o, [])]
        for n in nodes:
            if n.op_type in ("Attention", "MultiHeadAttention", "GroupQueryAttention"):
                found = True
            if n.op_type == "Softmax" and any(leads(m, back) for m in back(n)) and any(leads(m, ahead) for m in ahead(n)):
                found = True
            for a in n.attribute:
                for body in [a.g] if a.type == onnx.AttributeProto.GRAPH else a.graphs:
                    walk(body.node)

    walk(list(model.graph.node))
    return found


def file_hash(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def optimize(peer, source, out):
    """Writes what `peer`, with its defaults, makes of the model."""
    if peer.startswith("ort"):
        import onnxruntime as ort

        options = ort.SessionOptions()
        level = ort.GraphOptimizationLevel
        options.graph_optimization_level = level.ORT_ENABLE_BASIC if peer == "ort basic" else level.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(out)
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        ort.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
        return
    import onnx

    model = onnx.load(source)
    if peer == "onnxslim":
        import onnxslim

        result = onnxslim.slim(model)
    else:
        import onnxsim

        result, _ = onnxsim.simplify(model)
    onnx.save(result, out)


def main(arguments):
    peer, source, out = arguments
    start = time.monotonic()
    optimize(peer, source, out)
    seconds = time.monotonic() - start
    counts = count(out)
    Path(out + ".json").write_text(json.dumps({"peer": versions()[peer], "seconds": round(seconds, 2), "operators": counts}))


if __name__ == "__main__":
    main(sys.argv[1:])
