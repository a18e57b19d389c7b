"""Writes methods.json: some steps of each method in PyTorch 2.11 and float64, written from the papers.

The network is a ResNet-8 on images of 16 pixels. With u(salt, i) as in the parity fixtures (splitmix64), parameter
number n of the trained ones, in the order listed, is u(1000 + n, i) * sqrt(6 / fan_in) where it has more than one
dimension; a 1-d weight is 1, a bias is 0. A momentum encoder starts as a copy. A bank's rows are u(1, i), normalised.
Step t: x1 = 2 u(10000 + 2t), x2 = u(10001 + 2t) + x1 / 2; image j of the batch is number (5t + 3j) mod 12 of 12.
What is drawn comes from the program's counter generator, written a second time here. SGD: momentum 0.9, decay 1e-4.
"""

import copy
import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

torch.set_default_dtype(torch.float64)
STEPS, BATCH, IMAGE, IMAGES, SEED, LR, M = 4, 4, 16, 12, 7, 0.03, 0.9
MASK, GOLDEN = 2**64 - 1, 0x9E3779B97F4A7C15
BANK_ROWS, PRETEXT = 9, 10


def finalize(z):
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


class Counter:
    def __init__(self, seed, purpose, *indices):
        self.state = finalize((seed ^ 0x6D6F636F73776966) + GOLDEN & MASK)
        for value in (purpose, *indices):
            self.state = finalize(self.state + value + GOLDEN & MASK)

    def below(self, bound):
        self.state = self.state + GOLDEN & MASK
        return finalize(self.state) * bound >> 64


def u(salt, shape):
    count = math.prod(shape)
    with np.errstate(over="ignore"):
        z = np.uint64(salt << 32) + np.arange(count, dtype=np.uint64) + np.uint64(GOLDEN)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return torch.from_numpy((z >> np.uint64(40)).astype(np.float64) / 2**23 - 1).reshape(shape)


class Block(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = None
        if inputs != width:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (self.downsample(x) if self.downsample else x))


class ResNet8(nn.Module):
    def __init__(self, head):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(Block(16, 16, 1))
        self.layer2 = nn.Sequential(Block(16, 32, 2))
        self.layer3 = nn.Sequential(Block(32, 64, 2))
        self.fc = head

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return self.fc(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


def mlp(inputs, outputs):
    return nn.Sequential(nn.Linear(inputs, inputs), nn.ReLU(), nn.Linear(inputs, outputs))


def normalized_mlp(layers, inputs, hidden, outputs, ends_normalized):
    parts = []
    for _ in range(layers - 1):
        parts += [nn.Linear(inputs, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU()]
        inputs = hidden
    parts.append(nn.Linear(inputs, outputs, bias=False))
    return nn.Sequential(*parts, *([nn.BatchNorm1d(outputs, affine=False)] if ends_normalized else []))


def unit(x):
    return F.normalize(x, dim=1)


def crop(x, corners, side):
    """corners: a list of (y, x) for every image -> images * squares x 3 x side x side"""
    return torch.stack([x[n, :, y : y + side, c : c + side] for n, row in enumerate(corners) for y, c in row])


class Method:
    """Modules by the prefix of their state; what is trained, in order."""

    tensors = {}

    def begin(self):
        pass

    def finish(self):
        pass


class EndToEnd(Method):
    def __init__(self):
        self.q, self.k = ResNet8(nn.Linear(64, 16)), ResNet8(nn.Linear(64, 16))
        self.modules = {"encoder_q": self.q, "encoder_k": self.k}
        self.trained = {"": self.q, "encoder_k.": self.k}

    def loss(self, x1, x2, samples, t):
        q, k = unit(self.q(x1)), unit(self.k(x2))
        # -log exp(q.k+ / T) / (exp(q.k+ / T) + sum over the other N - 1 keys)
        s = (q @ k.T / 0.2).exp()
        return -(s.diagonal() / s.sum(1)).log().mean()


class Bank(Method):
    def __init__(self):
        self.q = ResNet8(nn.Linear(64, 16))
        self.modules, self.trained = {"encoder_q": self.q}, {"": self.q}
        self.rows = unit(u(1, (IMAGES, 16)))
        self.tensors = {"bank": self.rows}

    def drawn(self, count, t):
        counter = Counter(SEED, BANK_ROWS, t, 0)
        return [counter.below(IMAGES) for _ in range(count)]

    def finish(self):
        for i, sample in enumerate(self.samples):
            row = 0.5 * self.rows[sample] + 0.5 * self.v[i].detach()
            self.rows[sample] = row / row.norm()


class MemoryBank(Bank):
    def loss(self, x1, x2, samples, t):
        self.samples, self.v = samples, unit(self.q(x1))
        rows = self.rows.clone()
        logits = torch.cat([(self.v * rows[samples]).sum(1, True), self.v @ rows[self.drawn(5, t)].T], 1) / 0.2
        return F.cross_entropy(logits, torch.zeros(BATCH, dtype=torch.long))


class InstDiscSoftmax(Bank):
    def loss(self, x1, x2, samples, t):
        self.samples, self.v = samples, unit(self.q(x1))
        rows = self.rows.clone()
        proximal = 30 * (self.v - rows[samples]).pow(2).sum(1).mean()
        return F.cross_entropy(self.v @ rows.T / 0.2, torch.tensor(samples)) + proximal


class InstDiscNCE(Bank):
    def loss(self, x1, x2, samples, t):
        m, n = 5, IMAGES
        self.samples, self.v = samples, unit(self.q(x1))
        rows = self.rows.clone()
        positive = ((self.v * rows[samples]).sum(1) / 0.2).exp()
        noise = (self.v @ rows[self.drawn(m, t)].T / 0.2).exp()
        z = n * noise.detach().mean()
        p, pn = positive / z, noise / z
        h, hn = p / (p + m / n), pn / (pn + m / n)
        return -h.log().mean() - (1 - hn).log().sum(1).mean()


class SimCLR(Method):
    def __init__(self):
        self.q = ResNet8(mlp(64, 16))
        self.modules, self.trained = {"encoder_q": self.q}, {"": self.q}

    def loss(self, x1, x2, samples, t):
        z = unit(self.q(torch.cat([x1, x2])))
        s = (z @ z.T / 0.5).exp()
        total = 0
        for i in range(2 * BATCH):
            j = (i + BATCH) % (2 * BATCH)
            total = total - (s[i, j] / (s[i].sum() - s[i, i])).log()
        return total / (2 * BATCH)


class BYOL(Method):
    def __init__(self):
        self.q = ResNet8(normalized_mlp(2, 64, 24, 16, False))
        self.p = normalized_mlp(2, 16, 24, 16, False)
        self.trained = {"": self.q, "predictor.": self.p}

    def start(self):
        self.k = copy.deepcopy(self.q)
        self.modules = {"encoder_q": self.q, "encoder_k": self.k, "predictor": self.p}

    def begin(self):
        with torch.no_grad():
            for k, q in zip(self.k.parameters(), self.q.parameters()):
                k.mul_(M).add_(q, alpha=1 - M)

    def loss(self, x1, x2, samples, t):
        q1, q2 = unit(self.p(self.q(x1))), unit(self.p(self.q(x2)))
        with torch.no_grad():
            z1, z2 = unit(self.k(x1)), unit(self.k(x2))
        return (q1 - z2).pow(2).sum(1).mean() + (q2 - z1).pow(2).sum(1).mean()


class SimSiam(Method):
    def __init__(self):
        self.q = ResNet8(normalized_mlp(3, 64, 24, 16, True))
        self.p = normalized_mlp(2, 16, 4, 16, False)
        self.modules = {"encoder_q": self.q, "predictor": self.p}
        self.trained = {"": self.q, "predictor.": self.p}

    def loss(self, x1, x2, samples, t):
        z1, z2 = self.q(x1), self.q(x2)
        p1, p2 = self.p(z1), self.p(z2)
        d = nn.CosineSimilarity(dim=1)
        return -(d(p1, z2.detach()).mean() + d(p2, z1.detach()).mean()) / 2


class BarlowTwins(Method):
    def __init__(self):
        self.q = ResNet8(normalized_mlp(3, 64, 24, 16, False))
        self.modules, self.trained = {"encoder_q": self.q}, {"": self.q}

    def loss(self, x1, x2, samples, t):
        norm = nn.BatchNorm1d(16, affine=False)
        c = norm(self.q(x1)).T @ norm(self.q(x2)) / BATCH
        off = c - torch.diag(c.diagonal())
        return (1 - c.diagonal()).pow(2).sum() + 0.005 * off.pow(2).sum()


class Rotation(Method):
    def __init__(self):
        self.q = ResNet8(nn.Linear(64, 4))
        self.modules, self.trained = {"encoder_q": self.q}, {"": self.q}

    def loss(self, x1, x2, samples, t):
        x = torch.cat([x1, x2])
        turned = torch.cat([torch.rot90(x, k, (2, 3)) for k in range(4)])
        return F.cross_entropy(self.q(turned), torch.arange(4).repeat_interleave(2 * BATCH))


def permutations():
    """x -> a x + b over the integers mod 3 with i, i i = -1; element 3u + v is u i + v."""
    elements = [complex(n % 3, n // 3) for n in range(9)]

    def number(z):
        return int(z.imag) % 3 * 3 + int(z.real) % 3

    return [[number(a * x + b) for x in elements] for a in elements[1:] for b in elements]


class Jigsaw(Method):
    def __init__(self):
        self.q, self.p = ResNet8(nn.Linear(64, 16)), mlp(144, 72)
        self.modules = {"encoder_q": self.q, "predictor": self.p}
        self.trained = {"": self.q, "predictor.": self.p}

    def loss(self, x1, x2, samples, t):
        x = torch.cat([x1, x2])
        counter, cell, orders = Counter(SEED, PRETEXT, t, 0, 0), IMAGE // 3, permutations()
        tile = cell * 64 // 75
        corners, targets = [], []
        for _ in range(2 * BATCH):
            cells = []
            for place in range(9):
                y = place // 3 * cell + counter.below(cell - tile + 1)
                cells.append((y, place % 3 * cell + counter.below(cell - tile + 1)))
            targets.append(counter.below(72))
            corners.append([cells[c] for c in orders[targets[-1]]])
        tiles = crop(x, corners, tile)
        flat = tiles.flatten(2)
        tiles = (flat - flat.mean(2, True)) / (flat.var(2, unbiased=False, keepdim=True) + 1e-5).sqrt()
        z = F.relu(self.q(tiles.reshape(-1, 3, tile, tile)))
        return F.cross_entropy(self.p(z.reshape(2 * BATCH, -1)), torch.tensor(targets))


class RelativePosition(Method):
    def __init__(self):
        self.q, self.p = ResNet8(nn.Linear(64, 16)), mlp(32, 8)
        self.modules = {"encoder_q": self.q, "predictor": self.p}
        self.trained = {"": self.q, "predictor.": self.p}

    def loss(self, x1, x2, samples, t):
        x = torch.cat([x1, x2])
        counter = Counter(SEED, PRETEXT, t, 0, 0)
        side, pitch, jitter, room = 3, 4, 1, 3  # 16 pixels are 398 / 24.9
        corners, targets, channels = [], [], []
        for _ in range(2 * BATCH):
            top, left = counter.below(room + 1), counter.below(room + 1)
            targets.append(counter.below(8))
            row = []
            for place in (4, [0, 1, 2, 3, 5, 6, 7, 8][targets[-1]]):
                y = top + place // 3 * pitch + counter.below(2 * jitter + 1)
                row.append((y, left + place % 3 * pitch + counter.below(2 * jitter + 1)))
            corners.append(row)
            channels += [counter.below(3), counter.below(3)]
        patches = crop(x, corners, side)
        for patch, channel in zip(patches, channels):
            patch[[c for c in range(3) if c != channel]] = 0
        z = F.relu(self.q(patches))
        return F.cross_entropy(self.p(z.reshape(2 * BATCH, -1)), torch.tensor(targets))


class Context(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(size, size, 3), nn.Conv2d(size, size, 3)
        self.predictions = nn.ModuleList([nn.Linear(size, size, bias=False) for _ in range(5)])

    def forward(self, z):
        return self.conv2(F.pad(F.relu(self.conv1(F.pad(z, (1, 1, 2, 0)))), (1, 1, 2, 0)))


class CPC(Method):
    def __init__(self):
        self.q, self.c = ResNet8(nn.Linear(64, 16)), Context(16)
        self.modules = {"encoder_q": self.q, "context": self.c}
        self.trained = {"": self.q, "context.": self.c}

    def loss(self, x1, x2, samples, t):
        x, stride, images = torch.cat([x1, x2]), IMAGE // 8, 2 * BATCH
        grid = [(r * stride, c * stride) for r in range(7) for c in range(7)]
        z = self.q(crop(x, [grid] * images, 2 * stride)).reshape(images, 7, 7, 16)
        c = self.c(z.permute(0, 3, 1, 2))
        losses = []
        for k in range(2, 7):
            for row in range(7 - k):
                predicted = self.c.predictions[k - 2](c[:, :, row].transpose(1, 2))  # B x 7 x C
                scores = torch.einsum("bjc,dkc->bjdk", predicted, z[:, row + k]).reshape(images * 7, -1)
                losses.append(F.cross_entropy(scores, torch.arange(images * 7)))
        return sum(losses) / len(losses)


def follow(make):
    method = make()
    named = [(prefix + n, p) for prefix, module in method.trained.items() for n, p in module.named_parameters()]
    with torch.no_grad():
        for number, (name, parameter) in enumerate(named):
            if parameter.dim() > 1:
                fan_in = math.prod(parameter.shape[1:])
                parameter.copy_(u(1000 + number, parameter.shape) * math.sqrt(6 / fan_in))
            else:
                parameter.fill_(1 if name.endswith("weight") else 0)
    if hasattr(method, "start"):
        method.start()
    optimizer = torch.optim.SGD([p for _, p in named], lr=LR, momentum=0.9, weight_decay=1e-4)
    losses = []
    for t in range(STEPS):
        x1 = 2 * u(10000 + 2 * t, (BATCH, 3, IMAGE, IMAGE))
        x2 = u(10001 + 2 * t, (BATCH, 3, IMAGE, IMAGE)) + x1 / 2
        method.begin()
        loss = method.loss(x1, x2, [(5 * t + 3 * j) % IMAGES for j in range(BATCH)], t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        method.finish()
        losses.append(loss.item())
    norms = {
        f"{prefix}.{name}": tensor.norm().item()
        for prefix, module in method.modules.items()
        for name, tensor in module.state_dict().items()
        if tensor.is_floating_point()
    }
    sums = {name: tensor.sum().item() for name, tensor in method.tensors.items()}
    return {"parameters": [name for name, _ in named], "losses": losses, "norms": norms, "sums": sums}


CASES = {
    "end-to-end": EndToEnd,
    "memory-bank": MemoryBank,
    "simclr": SimCLR,
    "byol": BYOL,
    "simsiam": SimSiam,
    "barlow-twins": BarlowTwins,
    "instdisc-softmax": InstDiscSoftmax,
    "instdisc-nce": InstDiscNCE,
    "rotation": Rotation,
    "jigsaw": Jigsaw,
    "relative-position": RelativePosition,
    "cpc": CPC,
}

if __name__ == "__main__":
    rows = [f'"{name}":{json.dumps(follow(make), separators=(",", ":"))}' for name, make in CASES.items()]
    (Path(__file__).parent / "methods.json").write_text("{\n" + ",\n".join(rows) + "\n}\n")
