"""Models without their large weights, to take to another machine: the graph, small tensors as they are, and for each large one its shape
and spread. `fill` draws weights of the same spread, so that values stay in a model's usual range; the same seed gives the same file.

usage: hollow.py hollow MODEL.onnx OUT.onnx
       hollow.py fill HOLLOW.onnx OUT.onnx"""
import sys

import numpy
import onnx
from onnx import numpy_helper

LARGE = 1 << 14
KEY = "cameo.hollow"


def tensors(graph):
    """Initializers and constants of a graph and its bodies."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                yield from tensors(attribute.g)


def hollow(source, target):
    model = onnx.load(source)
    for tensor in tensors(model.graph):
        values = numpy_helper.to_array(tensor)
        if values.nbytes < LARGE or values.dtype.kind != "f":
            continue
        spread = float(numpy.std(values.astype(numpy.float32)))
        for field in ("raw_data", "float_data", "int32_data", "double_data"):
            tensor.ClearField(field)
        tensor.doc_string = f"{KEY} {spread!r}"
    onnx.save(model, target)


def fill(source, target):
    model = onnx.load(source)
    random = numpy.random.default_rng(0)
    for tensor in tensors(model.graph):
        if not tensor.doc_string.startswith(KEY):
            continue
        spread = float(tensor.doc_string.split()[1])
        dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
        count = int(numpy.prod(tuple(tensor.dims), dtype=numpy.int64))
        values = random.standard_normal(count, dtype=numpy.float32) * numpy.float32(spread)
        tensor.raw_data = values.astype(dtype).tobytes()
        tensor.doc_string = ""
    onnx.save(model, target)


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("hollow", "fill"):
        sys.exit(__doc__)
    (hollow if sys.argv[1] == "hollow" else fill)(sys.argv[2], sys.argv[3])
