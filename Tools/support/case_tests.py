"""Writes the cases of passes as test folders (model.onnx, test_data_set_0), for Tools/gpu-pack: what the pass tests compute here is computed on a GPU.

usage: case_tests.py CAMEO FOLDER

The text before the rewrite of each case of Tests/PassesTests/Cases is a model; free extents become 2, inputs are random, outputs those of
`cameo run --provider reference --level 0`. Two units in the last place of the largest number that goes in or comes out, of the narrowest type that the model
rounds to, are let through beside the runner's 1e-3 of the value itself (data.json): a sum whose terms cancel is no closer in any order. Prints how many were written,
and how many are left out: that onnx's own parser does not take, that have no values (what a loader lets through and no kernel takes), or whose
values hang on the rounding of float32 (scores that -1e9 absorbs), so that the CPU provider at level 0 differs from the reference."""
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

CASES = Path(__file__).resolve().parents[2] / "Tests/PassesTests/Cases"
DOMAINS = '"ai.onnx.ml" : 5, "com.microsoft" : 1, "ai.cameo" : 1'


def cases():
    """(pass and title, opset, text)"""
    for path in sorted(CASES.glob("*.onnxtxt")):
        for block in re.split(r"^=== ", path.read_text(), flags=re.M)[1:]:
            head, _, rest = block.partition("\n")
            title, *options = [p.strip() for p in head.split(",")]
            if "not run" in options:
                continue
            opset = next((o.split()[1] for o in options if o.startswith("opset ")), "24")
            text = re.split(r"^--- ", rest, flags=re.M)[0].strip()
            text = re.sub(r"\{(\S+) x (\d+)\}", lambda m: "{" + ", ".join([m[1]] * int(m[2])) + "}", text)
            yield f"{path.stem} {title}", opset, text


def parsed(text, opset):
    if text.startswith("<"):
        return onnx.parser.parse_model(text)
    return onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : {opset}, {DOMAINS}]>\n{text}')


def pack(model):
    """Puts two 4-bit numbers into a byte, which the text's parser leaves undone."""
    for tensor in model.graph.initializer:
        if tensor.data_type in (onnx.TensorProto.INT4, onnx.TensorProto.UINT4):
            numbers = [v & 15 for v in tensor.int32_data] + [0] * (len(tensor.int32_data) % 2)
            del tensor.int32_data[:]
            tensor.raw_data = bytes(a | b << 4 for a, b in zip(numbers[::2], numbers[1::2]))


def random_inputs(model, rng):
    given = {}
    for i in model.graph.input:
        t = i.type.tensor_type
        shape = [d.dim_value if d.HasField("dim_value") else 2 for d in t.shape.dim]
        kind = onnx.helper.tensor_dtype_to_np_dtype(t.elem_type)
        if kind in (np.uint8, np.int8):
            given[i.name] = rng.integers(np.iinfo(kind).min, np.iinfo(kind).max + 1, shape).astype(kind)
        elif kind == bool or np.issubdtype(kind, np.integer):
            given[i.name] = rng.integers(0, 2, shape).astype(kind)
        else:
            given[i.name] = rng.standard_normal(shape).astype(kind)
    return given


def write(cameo, folder, text, opset, rng):
    model = parsed(text, opset)
    pack(model)
    given = random_inputs(model, rng)
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")
    with tempfile.TemporaryDirectory() as scratch:
        arguments = []
        for index, (name, value) in enumerate(given.items()):
            place = data / f"input_{index}.pb"
            place.write_bytes(numpy_helper.from_array(value, name).SerializeToString())
            arguments += ["--input", f"{name}={place}"]
        done = subprocess.run(
            [cameo, "run", folder / "model.onnx", "--provider", "reference", "--level", "0", "--output", scratch + "/y.npz",
             *arguments], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip()[-200:])
        values = np.load(scratch + "/y.npz")
        unit = 2**-6 if re.search(r"bfloat16|to = 16", text) else 2**-9 if re.search(r"float16|to = 10", text) else 2**-22
        floats = [v for v in (*values.values(), *given.values()) if v.size and v.dtype.kind == "f"]
        if floats:
            largest = max(float(np.nanmax(np.abs(v), where=np.isfinite(v), initial=0)) for v in floats)
            (folder / "data.json").write_text(json.dumps({"atol": max(1e-7, unit * largest)}))
        for index, output in enumerate(model.graph.output):
            tensor = numpy_helper.from_array(values[output.name], output.name)
            (data / f"output_{index}.pb").write_bytes(tensor.SerializeToString())


def main():
    cameo, out = sys.argv[1], Path(sys.argv[2])
    rng, written, aside, taken = np.random.default_rng(3), 0, {}, {}
    for title, opset, text in cases():
        name = "test_" + re.sub(r"\W+", "_", title).strip("_").lower()
        taken[name] = taken.get(name, 0) + 1
        folder = out / (name if taken[name] == 1 else f"{name}_{taken[name]}")
        try:
            write(cameo, folder, text, opset, rng)
            written += 1
        except Exception as error:  # each is counted, with its reason
            shutil.rmtree(folder, ignore_errors=True)
            reason = re.sub(r"\d+", "N", (str(error).strip().splitlines() or [type(error).__name__])[-1])[:80]
            aside.setdefault(reason, []).append(title)
    done = subprocess.run([cameo, "conformance", out, "--provider", "cpu", "--level", "0", "--json"], capture_output=True, text=True)
    for test in json.loads(done.stdout)["tests"]:
        if test["status"] != "pass":
            shutil.rmtree(out / test["name"])
            written -= 1
            aside.setdefault("hangs on rounding", []).append(test["name"])
    print(f"case_tests: {written} written, {sum(map(len, aside.values()))} left out")
    for reason, titles in sorted(aside.items(), key=lambda x: -len(x[1]))[:12]:
        print(f"  {len(titles)}: {reason} ({titles[0]})")
    return 0 if written else 1


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main())
