#!/usr/bin/env python3
"""Writes the models that the example plugins are tried on.

usage: Passes/Examples/make_models.py

soft_threshold.onnx: SoftThreshold of the domain example.shrink, then a Clip spelled as Min(Max(x, low), high).
hypot.onnx: Hypot of the domain example.c, then a Relu spelled as Max(x, 0)."""
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "Tools" / "support"))
import common

common.use_cache_python()
import onnx
from onnx import parser

MODELS = {
    "soft_threshold": """<ir_version: 8, opset_import: ["" : 17, "example.shrink" : 1]>
        soft_threshold (float[rows, 4] x) => (float[rows, 4] y) <float low = {-1}, float high = {1}> {
          shrunk = example.shrink.SoftThreshold <threshold = 0.25> (x)
          raised = Max (shrunk, low)
          y = Min (raised, high)
        }""",
    "hypot": """<ir_version: 8, opset_import: ["" : 17, "example.c" : 1]>
        hypot (float[n] a, float[n] b) => (float[n] y) <float zero = {0}, float[1] half = {0.5}> {
          c = example.c.Hypot (a, b)
          d = Sub (c, half)
          y = Max (d, zero)
        }""",
}

if len(sys.argv) > 1:
    print(__doc__)
    sys.exit(0 if sys.argv[1] in ("-h", "--help") else 64)
for name, text in MODELS.items():
    model = parser.parse_model(text)
    onnx.checker.check_model(model)
    onnx.save(model, HERE / f"{name}.onnx")
