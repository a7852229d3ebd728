"""Tools/bench --int8: quantized models beside float ones, taking turns."""
import importlib.util
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import bench_peers
import bench_report
import common

DEFAULT = "resnet50 vit_b16 mobilenet_v3 minilm:full bert_base_sdpa_dynamo:full ppocr4_det:page ppocr4_rec:line ppocr4_cls:line".split()
OURS = "Cameo int8"
# What is printed: runtime, the model that it gets, its precision.
RUNTIMES = {OURS: ("cameo", "int8", "auto"), "Cameo fp32": ("cameo", "float", "fp32"), "Cameo bf16": ("cameo", "float", "bf16"),
            "OpenVINO int8": ("openvino default", "int8", ""), "OpenVINO f32": ("openvino", "float", ""),
            "ONNX Runtime int8": ("ort", "int8", "")}


def quantized(cameo, model, inputs, folder):
    """The model as Cameo quantizes it by the input sets beside `inputs`."""
    out = str(Path(folder) / "int8.onnx")
    subprocess.run([cameo, "quantize", model, "-o", out, "--calibration", str(Path(inputs).parent), "--method", "minmax", "--quiet"],
                   check=True, stdout=subprocess.DEVNULL)
    return out


def compare(options, jobs, run_cameo, run, script):
    """Times each job (name, model, inputs) and prints its line. The exit status."""
    runtimes = {name: what for name, what in RUNTIMES.items()
                if what[0] == "cameo" or importlib.util.find_spec(bench_peers.MODULES[what[0]])}

    def once(runtime, kind, precision, models, inputs, threads):
        if runtime == "cameo":
            return run_cameo(options, models[kind], inputs, threads, precision, ["--duration", str(options.seconds)])
        return run([sys.executable, script, "--measure", runtime, models[kind], inputs, str(threads), str(options.seconds)], threads)

    results, failed = [], False
    for name, model, inputs in jobs:
        with tempfile.TemporaryDirectory() as folder:
            models = {"float": model, "int8": quantized(options.cameo, model, inputs, folder)}
            for threads in options.threads:
                samples, problems, order = {r: [] for r in runtimes}, {}, list(runtimes)
                for turn in range(options.rounds):
                    first = turn % len(order)
                    for r in order[first:] + order[:first]:
                        if r in problems:
                            continue
                        found, problem = once(*runtimes[r], models, inputs, threads)
                        if problem:
                            problems[r] = problem
                        else:
                            samples[r].append(found["p50_ms"])
                result = {"model": name, "threads": threads, "p50_rounds": samples, "problems": problems}
                results.append(result)
                failed |= OURS in problems
                print(lines(result), flush=True)
    if options.out:
        report = {"machine": bench_report.machine(options.cameo), "rounds": options.rounds, "seconds": options.seconds, "int8": results}
        common.save_text(options.out, json.dumps(report, indent=1) + "\n")
    return 1 if failed else 0


def lines(result):
    """Medians over rounds, and ratios within each round's turns."""
    out = [f"{result['model']}, {result['threads']} thread{'s' * (result['threads'] > 1)}"]
    ours = result["p50_rounds"][OURS]
    for runtime, times in result["p50_rounds"].items():
        if runtime in result["problems"] or not times:
            out.append(f"  {runtime:18} {result['problems'].get(runtime, '')}")
            continue
        ratio = statistics.median(t / o for t, o in zip(times, ours)) if ours and runtime != OURS else None
        out.append(f"  {runtime:18} p50 {statistics.median(times):9.3f} ms  spread {max(times) / min(times):.2f}"
                   + (f"  by int8 {ratio:.2f}" if ratio else ""))
    return "\n".join(out)
