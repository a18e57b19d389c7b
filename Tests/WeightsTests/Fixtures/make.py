"""Writes all-types.safetensors and plain.safetensors with the format's own library.

    pip install safetensors==0.5.3 numpy && python make.py
"""
from pathlib import Path

import numpy
from safetensors import serialize

here = Path(__file__).parent


def raw(values, dtype):
    return numpy.array(values, dtype=dtype).tobytes()


# bfloat16 is the upper half of float32.
bfloat16 = (numpy.array([1.0, -2.5, 0.15625], dtype="<f4").view("<u4") >> 16).astype("<u2").tobytes()

tensors = {
    # Names and types in no particular order: the library sorts them.
    "layer.weight": {"dtype": "float32", "shape": [2, 3], "data": raw([0, 0.5, -1, 1.5, 2, 1e-3], "<f4")},
    "layer.bias": {"dtype": "float32", "shape": [3], "data": raw([7, 8, 9], "<f4")},
    "flags": {"dtype": "bool", "shape": [3], "data": raw([1, 0, 1], "u1")},
    "pixels": {"dtype": "uint8", "shape": [1, 2, 2], "data": raw([0, 127, 128, 255], "u1")},
    "count": {"dtype": "int64", "shape": [], "data": raw(-(2**40), "<i8")},
    "double": {"dtype": "float64", "shape": [2], "data": raw([0.1, -1e300], "<f8")},
    "half": {"dtype": "float16", "shape": [2], "data": raw([1.5, -65504], "<f2")},
    "brain": {"dtype": "bfloat16", "shape": [3], "data": bfloat16},
    "empty": {"dtype": "float32", "shape": [0, 4], "data": b""},
    'quote " back \\ tab \t bell \x07 ä 漢 😀': {"dtype": "uint8", "shape": [1], "data": b"\x2a"},
}
(here / "all-types.safetensors").write_bytes(serialize(tensors, {"note": 'a "quoted" line\nand ünï'}))
(here / "plain.safetensors").write_bytes(
    serialize({"a": {"dtype": "float32", "shape": [2], "data": raw([1, 2], "<f4")}}, None)
)
