"""The other runtimes that Tools/bench times, and what it measures of their processes."""
import os
import statistics
import time
from pathlib import Path

import common

PEERS = ["ort", "openvino", "openvino default"]
MODULES = {"ort": "onnxruntime", "openvino": "openvino", "openvino default": "openvino"}
INSTALL = {"ort": "Tools/setup models", "openvino": "Tools/setup openvino", "openvino default": "Tools/setup openvino"}
TITLES = {"ort": "ONNX Runtime", "openvino": "OpenVINO f32", "openvino default": "OpenVINO default", "cameo": "Cameo"}


def title(runtime):
    return TITLES.get(runtime) or runtime.replace("cameo", "Cameo")


def versions():
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name, package in (("ONNX Runtime", "onnxruntime"), ("OpenVINO", "openvino")):
        try:
            found.append(f"{name} {version(package)}")
        except PackageNotFoundError:
            pass
    return found


def cores(threads):
    """Processors to bind to, as taskset takes them: one of each core first, then their siblings."""
    allowed = sorted(os.sched_getaffinity(0))
    seen, first, rest = set(), [], []
    for cpu in allowed:
        file = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        core = file.read_text().strip() if file.exists() else str(cpu)
        (rest if core in seen else first).append(cpu)
        seen.add(core)
    return ",".join(map(str, (first + rest)[:threads]))


def resident(field):
    """VmHWM or VmRSS of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


def ort_session(model, threads):
    import onnxruntime as ort

    def ready():
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        names = {i.name for i in session.get_inputs()}
        return lambda given: session.run(None, {k: v for k, v in given.items() if k in names}), "f32"

    return ready


def openvino_session(model, threads, hints):
    import openvino

    def ready():
        core = openvino.Core()
        compiled = core.compile_model(core.read_model(model), "CPU", {**hints, "INFERENCE_NUM_THREADS": threads})
        request = compiled.create_infer_request()
        kind = compiled.get_property("INFERENCE_PRECISION_HINT")
        return lambda given: request.infer(given), getattr(kind, "get_type_name", lambda: str(kind))()

    return ready


def measure(peer, model, inputs, threads, seconds):
    """Figures of one process: this one."""
    given = common.load_npz(inputs)
    if peer == "ort":
        ready = ort_session(model, threads)
    else:
        ready = openvino_session(model, threads, {"INFERENCE_PRECISION_HINT": "f32"} if peer == "openvino" else {})
    base = resident("VmHWM")
    start = time.perf_counter()
    step, precision = ready()
    loaded = time.perf_counter()
    step(given)
    first = time.perf_counter()
    for _ in range(2):
        step(given)
    times, end = [], time.perf_counter() + seconds
    while len(times) < 5 or time.perf_counter() < end:
        begin = time.perf_counter()
        step(given)
        times.append(time.perf_counter() - begin)
    return {"p50_ms": statistics.median(times) * 1000, "load_ms": (loaded - start) * 1000, "first_ms": (first - loaded) * 1000,
            "peak_bytes": resident("VmHWM"), "base_bytes": base, "precision": precision}
