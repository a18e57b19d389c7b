"""Writes checkpoints with objects beside the weights, and tensors of rare kinds: torch 2.11.0, numpy, omegaconf.

    pip install torch==2.11.0 numpy omegaconf && python torch_objects.py

objects.pth: a `weight` of 0, 1, 2 beside one object each of many classes; none is a weight.
kinds.pth: tensors of the element types and forms that need an own call in the pickle.
float8.json: the value of each byte in the types of 8 bits, as float32's bits, by torch.
"""
import argparse
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import json
import logging
import pathlib
import uuid
from pathlib import Path

import numpy
import omegaconf
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, MultiStepLR

here = Path(__file__).parent


class Phase(enum.Enum):
    TRAIN = "train"


@dataclasses.dataclass
class Settings:
    width: int = 3
    names: list = dataclasses.field(default_factory=list)


class Words(list):
    pass


class Table(dict):
    pass


class State:
    def __getstate__(self):
        return (1, {"weight": torch.ones(2)})

    def __setstate__(self, state):
        pass


Point = collections.namedtuple("Point", "x y")


def collate(batch):
    return batch


weight = torch.arange(3, dtype=torch.float32)
network = torch.nn.Linear(2, 2)
optimizer = torch.optim.SGD(network.parameters(), 0.1, momentum=0.9)
network(torch.ones(2)).sum().backward()
optimizer.step()
objects = {
    "counter": collections.Counter([3, 3]),
    "default": collections.defaultdict(list, a=[1]),
    "deque": collections.deque([1, 2]),
    "set": {1, 2}, "frozen": frozenset([1]), "complex": 1 + 2j, "bytearray": bytearray(b"abc"), "range": range(3),
    "slice": slice(1, 2),
    "device": torch.device("cuda:0"), "dtype": torch.float32, "size": torch.Size([1, 2]), "layout": torch.strided,
    "path": pathlib.PosixPath("/data"), "namespace": argparse.Namespace(root=pathlib.PosixPath("/data"), lr=0.1),
    "scalar": numpy.float64(0.75), "integer": numpy.int64(3), "text array": numpy.array(["a", "bc"]),
    "times": numpy.array(["2026-01-01"], dtype="M8[D]"), "big": numpy.arange(3, dtype=">f4"),
    "any": numpy.array([None, 1], dtype=object),
    "random": numpy.random.get_state(), "generator": numpy.random.default_rng(1), "old": numpy.random.RandomState(1),
    "datetime": datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc), "date": datetime.date(2026, 1, 2),
    "delta": datetime.timedelta(1), "decimal": decimal.Decimal("1.5"), "fraction": fractions.Fraction(1, 3),
    "uuid": uuid.UUID(int=7),
    "config": omegaconf.OmegaConf.create({"model": {"width": 3, "list": [1, 2]}}),
    "enum": Phase.TRAIN, "dataclass": Settings(), "list": Words([1]), "dict": Table(a=1), "state": State(),
    "tuple": Point(1, 2), "partial": functools.partial(Settings, width=4), "function": collate, "class": Settings,
    "logger": logging.getLogger("moco"), "large": 2**200, "network": network,
    "schedulers": [
        MultiStepLR(optimizer, [3, 5]).state_dict(), CosineAnnealingLR(optimizer, 9).state_dict(),
        LambdaLR(optimizer, lambda step: 1).state_dict()],
    "optimizer": optimizer.state_dict(),
}


def main():
    for name, value in objects.items():  # each by itself can be saved and read
        torch.save({"weight": weight, name: value}, "/tmp/one.pth")
    torch.save({"weight": weight, **objects}, here / "objects.pth")
    torch.save({"weight": weight, **objects}, here / "objects-legacy.pth", _use_new_zipfile_serialization=False)

    attributed = torch.arange(2.0)
    attributed.note = "mine"
    bits = torch.arange(256, dtype=torch.uint8)
    kinds = {
        "buffer": torch.nn.Buffer(torch.arange(2.0)),
        "attributed": attributed,
        "parameter with attribute": torch.nn.Parameter(torch.arange(2.0)),
        "negative": torch.tensor([1 + 2j, 3 - 4j]).conj().imag,  # -2, 4
        "uint16": torch.tensor([0, 65535], dtype=torch.uint16),
        "uint32": torch.tensor([0, 2**32 - 1], dtype=torch.uint32),
        "uint64": torch.tensor([0, 2**63 - 1], dtype=torch.uint64),
        "float8_e4m3fn": torch.tensor([0.5, -448.0]).to(torch.float8_e4m3fn),
        "float8_e5m2": torch.tensor([0.5, -57344.0]).to(torch.float8_e5m2),
        "float8_e4m3fnuz": torch.tensor([0.5, -240.0]).to(torch.float8_e4m3fnuz),
        "float8_e5m2fnuz": torch.tensor([0.5, -57344.0]).to(torch.float8_e5m2fnuz),
        "complex64": torch.tensor([1 + 2j]),
        "sparse": torch.eye(2).to_sparse(),
        "quantized": torch.quantize_per_tensor(torch.arange(2.0), 0.1, 0, torch.qint8),
    }
    kinds["parameter with attribute"].note = 3
    torch.save(kinds, here / "kinds.pth")

    types = ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"]
    values = {name: bits.view(getattr(torch, name)).float().view(torch.int32).tolist() for name in types}
    nan = torch.tensor(float("nan")).view(torch.int32).item()
    for name, list_ in values.items():  # every NaN as one
        floats = torch.tensor(list_, dtype=torch.int32).view(torch.float32)
        values[name] = [nan if x != x else b for x, b in zip(floats.tolist(), list_)]
    (here / "float8.json").write_text(json.dumps(values, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
