"""Writes torchvision_state_dicts.json and forward_resnet.json with torch 2.11 and torchvision 0.26.

torchvision_state_dicts: for each architecture the state dict in its order, a row [key, shape, dtype].

forward_resnet: ResNets in float64 whose weights and input a formula gives. Input 2x3x64x64 is u(7, i). Parameter
number n in named_parameters order, when it has more than one dimension, is u(1000 + n, i) * sqrt(6 / fan_in), fan_in
being the product of all dimensions but the first; a 1-d weight is 1, a bias is 0. Running statistics start at 0 and 1.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
import torchvision

HERE = Path(__file__).parent
NAMES = ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "wide_resnet50_2"]


def u(salt, shape):
    """Numbers in [-1, 1), in row-major order: splitmix64 of (salt, index), its upper 24 bits."""
    count = math.prod(shape)
    with np.errstate(over="ignore"):
        z = np.uint64(salt << 32) + np.arange(count, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return torch.from_numpy((z >> np.uint64(40)).astype(np.float64) / 2**23 - 1).reshape(shape)


def state_dict_rows(model):
    return [[k, list(v.shape), str(v.dtype).removeprefix("torch.")] for k, v in model.state_dict().items()]


def set_by_formula(model):
    with torch.no_grad():
        for number, (name, parameter) in enumerate(model.named_parameters()):
            if parameter.dim() > 1:
                fan_in = math.prod(parameter.shape[1:])
                parameter.copy_(u(1000 + number, parameter.shape) * math.sqrt(6 / fan_in))
            else:
                parameter.fill_(1 if name.endswith("weight") else 0)


@torch.no_grad()
def forward(model, training):
    pooled = []
    hook = model.avgpool.register_forward_hook(lambda module, inputs, output: pooled.append(output.flatten(1)))
    logits = model.train(training)(u(7, (2, 3, 64, 64)))
    hook.remove()
    return {"features": pooled[0][:, :16].tolist(), "logits_sum": logits.sum(1).tolist()}


def forward_case(name):
    model = getattr(torchvision.models, name)().double()
    set_by_formula(model)
    # Evaluation first: it leaves the running statistics as they are.
    return {"eval": forward(model, False), "train": forward(model, True)}


def write(name, value):
    rows = ",\n".join(f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in value.items())
    (HERE / name).write_text("{\n" + rows + "\n}\n")


if __name__ == "__main__":
    with torch.device("meta"):
        models = {name: getattr(torchvision.models, name)() for name in NAMES}
        models["wide_resnet50_4"] = torchvision.models.resnet50(width_per_group=256)
    write("torchvision_state_dicts.json", {name: state_dict_rows(model) for name, model in models.items()})
    write("forward_resnet.json", {name: forward_case(name) for name in ["resnet18", "resnet50"]})
