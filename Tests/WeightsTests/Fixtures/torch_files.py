"""Writes the small files of torch.save that the tests read: pip install torch numpy && python torch_files.py

A tensor's numbers are its values: 0, 1, 2, … unless said otherwise, so that the tests know them without PyTorch.
"""
import argparse
import collections
import pickle
from pathlib import Path

import numpy
import torch

here = Path(__file__).parent


def counted(*shape, dtype=torch.float32):
    return torch.arange(torch.Size(shape).numel()).reshape(shape).to(dtype)


base = counted(4, 6)
channels_last = counted(2, 3, 2, 2).contiguous(memory_format=torch.channels_last)
tensors = {
    "float32": counted(2, 3),
    "float64": counted(2, dtype=torch.float64),
    "float16": counted(3, dtype=torch.float16),
    "bfloat16": counted(3, dtype=torch.bfloat16),
    "int64": torch.tensor(-(2**40)),
    "int32": torch.tensor([-5, 7], dtype=torch.int32),
    "int16": torch.tensor([-300, 300], dtype=torch.int16),
    "int8": torch.tensor([-3, 3], dtype=torch.int8),
    "uint8": counted(4, dtype=torch.uint8),
    "bool": torch.tensor([True, False]),
    "empty": torch.zeros(0, 3),
    "base": base,
    "view": base[1:3, 2:5],
    "transposed": base.t(),
    "expanded": counted(1, 2).expand(3, 2),
    "channels_last": channels_last,
    "parameter": torch.nn.Parameter(counted(2)),
}
checkpoint = {
    "epoch": 200,
    "arch": "resnet50",
    "best": 1.5,
    "nothing": None,
    "huge": 2**70,
    "args": argparse.Namespace(lr=0.03, schedule=[120, 160], tensor=counted(2)),
    "state_dict": collections.OrderedDict((f"module.{k}", v) for k, v in tensors.items()),
    "optimizer": {"state": {0: {"momentum_buffer": counted(2)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
    "size": torch.Size([1, 2]),
}
checkpoint["state_dict"]._metadata = collections.OrderedDict(version=1)
torch.save(checkpoint, here / "zip.pth")
torch.save(checkpoint, here / "legacy.pth", _use_new_zipfile_serialization=False)

arrays = {
    "weights": numpy.arange(256, dtype="f4").reshape(2, 128),
    "columns": numpy.asfortranarray(numpy.arange(6, dtype="f8").reshape(2, 3)),
    "bytes": numpy.arange(256, dtype="u1"),
    "count": numpy.array(7, dtype="i8"),
    "flags": numpy.array([True, False]),
}
for protocol in (2, 4, 5):
    with open(here / f"numpy-protocol{protocol}.pkl", "wb") as file:
        pickle.dump({"model": arrays, "__author__": "x", "matching_heuristics": True}, file, protocol=protocol)
