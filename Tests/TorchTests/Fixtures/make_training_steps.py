"""Writes training_steps.json, schedules.json and functions.json with torch 2.11.

training_steps: ten steps in float64 of a small network, with weights and inputs that a formula gives. A parameter
with a salt is u(salt, i) * sqrt(6 / fan_in), fan_in being the product of all dimensions but the first; a 1-d weight
is 1, a bias 0. Step t = 0 ... 9 sees the batch u(10000 + t, i).

functions: small inputs, given in full, and what torch.nn.functional makes of them in float64.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, MultiStepLR, SequentialLR

HERE = Path(__file__).parent


def u(salt, shape):
    """Numbers in [-1, 1), in row-major order: splitmix64 of (salt, index), its upper 24 bits."""
    count = math.prod(shape)
    with np.errstate(over="ignore"):
        z = np.uint64(salt << 32) + np.arange(count, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return torch.from_numpy((z >> np.uint64(40)).astype(np.float64) / 2**23 - 1).reshape(shape)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        x = F.relu(self.bn2(self.conv2(x)))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


def training_steps():
    network = Network().double()
    parameters = []
    with torch.no_grad():
        for number, (name, parameter) in enumerate(network.named_parameters()):
            row = {"name": name, "shape": list(parameter.shape)}
            if parameter.dim() > 1:
                row["salt"] = 1000 + number
                fan_in = math.prod(parameter.shape[1:])
                parameter.copy_(u(row["salt"], parameter.shape) * math.sqrt(6 / fan_in))
            else:
                parameter.fill_(1 if name.endswith("weight") else 0)
            parameters.append(row)
    labels = [3, 1, 4, 1, 5, 9, 2, 6]
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    losses = []
    for step in range(10):
        loss = F.cross_entropy(network(u(10000 + step, (8, 3, 16, 16))), torch.tensor(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return {
        "network": "conv1 3x3 pad 1, bn1, relu, max pool 3 stride 2 pad 1, conv2 3x3 stride 2 pad 1, bn2, relu, "
        "mean over the image, fc",
        "parameters": parameters,
        "input": {"shape": [8, 3, 16, 16], "salt_of_step_0": 10000},
        "labels": labels,
        "optimizer": {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4},
        "losses": losses,
        "final_norms": {name: value.double().norm().item() for name, value in network.state_dict().items()},
    }


def rates(lr, epochs, scheduler):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr)
    schedule = scheduler(optimizer)
    values = []
    for _ in range(epochs):
        values.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return values


def schedules():
    """The rate of each epoch."""
    return {
        "cosine": {"lr": 0.03, "epochs": 20, "rates": rates(0.03, 20, lambda o: CosineAnnealingLR(o, 20))},
        "step": {
            "lr": 0.03,
            "epochs": 20,
            "milestones": [12, 16],
            "factor": 0.1,
            "rates": rates(0.03, 20, lambda o: MultiStepLR(o, [12, 16], 0.1)),
        },
        # The rate of each step, of 4 an epoch: 3 epochs up in a line, 7 down.
        "warm_up": {
            "lr": 0.6,
            "epochs": 10,
            "rates": rates(
                0.6,
                40,
                lambda o: SequentialLR(
                    o,
                    # LinearLR cannot start at 0.
                    [LinearLR(o, 1e-12, 1, 12), CosineAnnealingLR(o, 28)],
                    milestones=[12],
                ),
            ),
        },
    }


def functions():
    logits = (4 * u(1, (4, 5))).requires_grad_()
    targets = [0, 4, 2, 2]
    loss = F.cross_entropy(logits, torch.tensor(targets))
    loss.backward()
    rows = u(2, (3, 4))
    rows[1] = 0  # Stays zero: the norm is taken to be at least 1e-12.
    image = u(3, (1, 2, 5, 6)).requires_grad_()
    pooled = F.max_pool2d(image, 3, stride=2, padding=1)
    pooled.sum().backward()
    return {
        "cross_entropy": {
            "logits": logits.tolist(), "targets": targets, "loss": loss.item(), "gradient": logits.grad.tolist()
        },
        "normalize": {"rows": rows.tolist(), "expected": F.normalize(rows, dim=1).tolist()},
        "max_pool2d": {
            "kernel": 3, "stride": 2, "padding": 1,
            "image": image.tolist(), "expected": pooled.tolist(), "gradient_of_sum": image.grad.tolist(),
        },
        "adaptive_avg_pool2d": {
            "image": image.tolist(),
            "to_1x1": F.adaptive_avg_pool2d(image, 1).tolist(),
            "to_2x4": F.adaptive_avg_pool2d(image, (2, 4)).tolist(),
        },
    }


def write(name, value):
    rows = ",\n".join(f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in value.items())
    (HERE / name).write_text("{\n" + rows + "\n}\n")


if __name__ == "__main__":
    write("training_steps.json", training_steps())
    write("schedules.json", schedules())
    write("functions.json", functions())
