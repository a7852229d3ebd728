"""The part of Tools/demo that comes after the build: runs `cameo` on the embedded models. Standard library only."""
import ast
import array
import json
import subprocess
import sys
import zipfile
from pathlib import Path

MODELS = Path(__file__).resolve().parents[2] / "Models"
IMAGES = MODELS / "digits_heldout.npz"
CALIBRATION = MODELS / "digits_calibration.npz"
NEEDED = {"transformer": ["Attention", "LayerNormalization", "Gelu"], "cnn": []}
LEAST_ACCURACY = 0.95
# Points of top-1 that int8 may cost.
MOST_LOST = 0.005


def npy(path, name):
    """(shape, values in row order) of one array of an uncompressed or deflated .npz."""
    with zipfile.ZipFile(path) as z:
        data = z.read(name + ".npy")
    wide = data[6] > 1
    start = (12 if wide else 10) + int.from_bytes(data[8:12 if wide else 10], "little")
    header = ast.literal_eval(data[12 if wide else 10:start].decode("latin1"))
    values = array.array({"<f4": "f", "<i8": "q"}[header["descr"]])
    values.frombytes(data[start:])
    return header["shape"], values


def top1(outputs, labels):
    (rows, classes), values = npy(outputs, "logits")
    right = 0
    for i in range(rows):
        row = values[i * classes:(i + 1) * classes]
        right += max(range(classes), key=row.__getitem__) == labels[i]
    return right / rows


def cameo(binary, *arguments, as_json=False):
    command = [binary, *map(str, arguments), *(["--json"] if as_json else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE if as_json else None, text=True)
    if done.returncode:
        print(f"demo: FAILED ({done.returncode}): {' '.join(['cameo', *command[1:]])}", file=sys.stderr)
        sys.exit(1)
    return json.loads(done.stdout) if as_json else None


def p50(binary, before, after):
    """Median of five rounds, the two taking turns; one image at a time."""
    common = ("--input", "image=random:1x1x8x8", "--iterations", 200, "--warmup", 20)
    rounds = [[cameo(binary, "bench", path, "--level", level, *common, as_json=True)["p50_ms"]
               for path, level in ((before, 0), (after, 3))] for _ in range(5)]
    return [sorted(column)[2] for column in zip(*rounds)]


def labelled(out):
    """An .npz of the held-out images with their labels: what --evaluate counts top-1 on."""
    path = out / "digits_labelled.npz"
    with zipfile.ZipFile(path, "w") as target:
        for source, name in ((IMAGES, "image.npy"), (MODELS / "digits_expected.npz", "label.npy")):
            with zipfile.ZipFile(source) as z:
                target.writestr(name, z.read(name))
    return path


def quantize(binary, out, name):
    """The rows of the table about static int8, and what is wrong."""
    path = out / f"digits_{name}.int8.onnx"
    report = cameo(binary, "quantize", MODELS / f"digits_{name}.onnx", "-o", path, "--calibration", CALIBRATION,
                   "--evaluate", labelled(out), as_json=True)
    coverage, accuracy = report["coverage"], report["accuracy"]
    before, after = accuracy["float_top1"], accuracy["top1"]
    rows = [
        ("int8: bytes of weights", report["bytes_before"], report["bytes_after"]),
        (f"int8: top-1 of {accuracy['samples']} held out", f"{before:.2%}", f"{after:.2%}"),
        ("int8: integer products", "", f"{coverage['integer']} of {coverage['products']}"),
    ]
    wrong = [] if before - after <= MOST_LOST else [f"int8 loses {before - after:.2%} of top-1"]
    if coverage["integer"] < coverage["products"]:
        wrong.append("not every product is an integer product")
    return rows, wrong


def demo(binary, out, name):
    """The rows of the table, and what is wrong."""
    model, optimized = MODELS / f"digits_{name}.onnx", out / f"digits_{name}.onnx"
    print(f"\n== digits_{name}", flush=True)
    cameo(binary, "inspect", model)
    report = cameo(binary, "optimize", model, "-o", optimized, "--report", out / f"report-{name}.html",
                   "--report", out / f"report-{name}.json", as_json=True)
    outputs = {}
    for which, path, level in (("before", model, 0), ("after", optimized, 3)):
        outputs[which] = out / f"digits_{name}.{which}.npz"
        cameo(binary, "run", path, "--level", level, "--inputs", IMAGES, "--output", outputs[which])
    compared = cameo(binary, "compare", model, optimized, "--inputs", IMAGES, as_json=True)
    _, labels = npy(MODELS / "digits_expected.npz", "label")
    accuracy = {which: top1(path, labels) for which, path in outputs.items()}
    (_, a), (_, b) = npy(outputs["before"], "logits"), npy(outputs["after"], "logits")
    difference = max(abs(x - y) for x, y in zip(a, b)) / max(map(abs, a))
    times = p50(binary, model, optimized)
    fused = {}
    for fusion in report["fusions"]:
        fused[fusion["operator"]] = fused.get(fusion["operator"], 0) + 1

    rows = [
        ("nodes", report["nodes_before"], report["nodes_after"]),
        ("bytes", report["bytes_before"], report["bytes_after"]),
        (f"top-1 of {len(labels)} held out", f"{accuracy['before']:.2%}", f"{accuracy['after']:.2%}"),
        ("p50 ms, one image", f"{times[0]:.3f}", f"{times[1]:.3f}"),
        ("max|a-b| / max|a|", "", f"{difference:.1e}"),
    ]
    wrong = [f"nothing was fused to {operator}" for operator in NEEDED[name] if not fused.get(operator)]
    wrong += [f"top-1 {which} is {a:.2%}" for which, a in accuracy.items() if a < LEAST_ACCURACY]
    if abs(accuracy["before"] - accuracy["after"]) > 0.002:
        wrong.append("optimizing changed top-1")
    if not compared["equal"]:
        wrong.append("compare: the outputs differ")
    more, failed = quantize(binary, out, name)
    return rows + more, fused, wrong + failed


def main():
    binary, out = sys.argv[1], Path(sys.argv[2])
    out.mkdir(exist_ok=True)
    results = {name: demo(binary, out, name) for name in NEEDED}
    failed = False
    for name, (rows, fused, wrong) in results.items():
        print(f"\ndigits_{name:24} {'before':>12} {'after':>12}")
        for label, before, after in rows:
            print(f"  {label:29} {before:>12} {after:>12}")
        print("  fused to: " + (", ".join(f"{count} {operator}" for operator, count in sorted(fused.items())) or "nothing"))
        print(f"  report: {out / f'report-{name}.html'}")
        for line in wrong:
            failed = True
            print(f"  FAILED: {line}")
    print("\n(before: the model as it is, level 0; after: the optimized file, level 3)")
    return 1 if failed else 0


sys.exit(main())
