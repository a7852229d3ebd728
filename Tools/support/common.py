"""What the Python tools share: the cache folder, its virtual environment, ONNX Runtime sessions, closeness."""
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("CAMEO_CACHE") or ROOT / ".cache").resolve()
ZOO = CACHE / "zoo"
CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")

FP32_TOLERANCE = 1e-4
HALF_TOLERANCE = 1e-2


def use_cache_python():
    """Runs the calling script again with the cache's Python, making that first where it is missing."""
    use_python("venv", "models")


def use_python(folder, section):
    """The same with the environment `folder` of the cache, that `Tools/setup section` makes."""
    python = CACHE / folder / "bin" / "python"
    if Path(sys.prefix).resolve() == (CACHE / folder).resolve():
        return
    done = subprocess.run([ROOT / "Tools" / "setup", section])
    if done.returncode or not python.exists():
        sys.exit(done.returncode or 1)
    os.execv(python, [str(python), *sys.argv])


def ort_session(path, optimized=False, threads=2):
    """An ONNX Runtime CPU session, with graph optimizations disabled unless `optimized` (then the extended set)."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_EXTENDED if optimized else level.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def ort_run(path_or_session, inputs, optimized=False):
    """Outputs by name. Inputs the model does not take are left out."""
    session = path_or_session
    if isinstance(session, (str, Path)):
        session = ort_session(session, optimized)
    wanted = {i.name for i in session.get_inputs()}
    names = [o.name for o in session.get_outputs()]
    return dict(zip(names, session.run(names, {k: v for k, v in inputs.items() if k in wanted})))


def closeness(a, b):
    """max|a-b| / max|a|; infinite where shapes differ, or where one is NaN and the other is not."""
    import numpy as np

    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return float("inf")
    if a.size == 0:
        return 0.0
    if a.dtype.kind in "OSU":
        return 0.0 if (a == b).all() else float("inf")
    wide = np.complex128 if a.dtype.kind == "c" else np.float64
    a, b = a.astype(wide), b.astype(wide)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    difference = np.where(same, 0.0, np.abs(a - b)).max()
    if difference == 0:
        return 0.0
    scale = np.abs(a[np.isfinite(a)]).max(initial=0.0)
    result = difference / scale if scale else float("inf")
    return float(result) if np.isfinite(result) else float("inf")


def load_npz(path):
    import numpy as np

    with np.load(path) as z:
        return {k: z[k] for k in z.files}


def save_npz(path, arrays):
    """Uncompressed, written beside and renamed."""
    import numpy as np

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    with open(beside, "wb") as f:
        np.savez(f, **arrays)
    beside.replace(path)


def save_text(path, text):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    beside.write_text(text)
    beside.replace(path)


def check_model(path):
    """None, or what onnx.checker says against the file."""
    import onnx

    try:
        onnx.checker.check_model(str(path))
        return None
    except Exception as error:
        return str(error).strip().splitlines()[0][:300]


def graphs(model):
    """Every graph and function body of a model, subgraphs included, as (where, nodes)."""
    import onnx

    def walk(nodes, where):
        yield where, nodes
        for node in nodes:
            for a in node.attribute:
                for g in [a.g] if a.type == onnx.AttributeProto.GRAPH else a.graphs:
                    yield from walk(g.node, f"{where}/{node.name or node.op_type}.{a.name}")

    yield from walk(model.graph.node, "graph")
    for f in model.functions:
        yield from walk(f.node, f"function {f.domain}.{f.name}")
