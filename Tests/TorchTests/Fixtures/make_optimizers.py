"""Writes optimizers.json and transformer.json with torch 2.11, in float64.

optimizers: five steps of LARS and of AdamW. Parameter n starts at u(100 + n, i), or at 0 where it says so; its gradient
in step t is u(1000 + 10 t + n, i) + w. LARS is written out here from its definition; AdamW is torch.optim's.

transformer: small inputs by formula, and what torch.nn.functional makes of them, with gradients of a weighted sum.
"""

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from make_training_steps import u

HERE = Path(__file__).parent
PARAMETERS = [
    {"shape": [4, 3], "zero": False},
    {"shape": [5], "zero": False},
    {"shape": [2, 3, 3, 3], "zero": False},
    {"shape": [3, 2], "zero": True},
    {"shape": [1, 1, 4], "zero": False},
]
RATES = [0.1, 0.3, 0.2, 0.4, 0.05]


def start():
    return [
        torch.zeros(p["shape"], dtype=torch.float64) if p["zero"] else u(100 + n, p["shape"])
        for n, p in enumerate(PARAMETERS)
    ]


def gradient(step, n, w):
    return u(1000 + 10 * step + n, w.shape) + w.detach()


def lars(momentum=0.9, decay=0.01, trust=0.001):
    weights = start()
    velocities = [torch.zeros_like(w) for w in weights]
    for step, rate in enumerate(RATES):
        for n, (w, v) in enumerate(zip(weights, velocities)):
            g = gradient(step, n, w)
            if w.dim() > 1:
                g = g + decay * w
                if w.norm() > 0 and g.norm() > 0:
                    g = g * (trust * w.norm() / g.norm())
            v.mul_(momentum).add_(g)
            w.sub_(rate * v)
    return {"decay": decay, "weights": flat(weights), "velocities": flat(velocities)}


def adamw(decay=0.1):
    weights = [w.requires_grad_() for w in start()]
    optimizer = torch.optim.AdamW(weights, weight_decay=decay)
    for step, rate in enumerate(RATES):
        for n, w in enumerate(weights):
            w.grad = gradient(step, n, w)
        optimizer.param_groups[0]["lr"] = rate
        optimizer.step()
    state = [optimizer.state[w] for w in weights]
    return {
        "decay": decay,
        "weights": flat(weights),
        "means": flat([s["exp_avg"] for s in state]),
        "squares": flat([s["exp_avg_sq"] for s in state]),
    }


def flat(tensors):
    return [t.detach().flatten().tolist() for t in tensors]


def layer(function, *inputs):
    """A function's output, and the gradients of sum(output * u(9))."""
    inputs = [x.clone().requires_grad_() for x in inputs]
    y = function(*inputs)
    (y * u(9, y.shape)).sum().backward()
    return {"expected": y.flatten().tolist(), "gradients": flat([x.grad for x in inputs])}


def transformer():
    heads = (2, 3, 5, 4)
    mean, var = torch.zeros(4, dtype=torch.float64), torch.ones(4, dtype=torch.float64)
    normalized = layer(lambda x: F.batch_norm(x, mean, var, training=True), 3 * u(5, (6, 4)) + 1)
    return {
        "layer_norm": layer(lambda x, w, b: F.layer_norm(x, (6,), w, b, 1e-6), u(1, (2, 3, 6)), u(2, (6,)), u(3, (6,))),
        "gelu": layer(F.gelu, 3 * u(1, (4, 5))),
        "attention": layer(F.scaled_dot_product_attention, 2 * u(1, heads), 2 * u(2, heads), 2 * u(3, heads)),
        "batch_norm": normalized | {"running_mean": mean.tolist(), "running_var": var.tolist()},
    }


def write(name, value):
    rows = ",\n".join(f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in value.items())
    (HERE / name).write_text("{\n" + rows + "\n}\n")


if __name__ == "__main__":
    write("optimizers.json", {"parameters": PARAMETERS, "rates": RATES, "lars": lars(), "adamw": adamw()})
    write("transformer.json", transformer())
