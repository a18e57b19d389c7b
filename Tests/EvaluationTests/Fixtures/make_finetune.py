"""Writes finetune.json with torch 2.11: three epochs of fine-tuning a ResNet-8 in float64 from weights of a formula.

Weights: parameter number n in named_parameters order, when it has more than one dimension, is
u(1000 + n, i) * sqrt(6 / fan_in), fan_in being the product of all dimensions but the first; the classifier's weight,
the last but one, is a hundredth of that; a 1-d weight is 1, a bias is 0. A case with layer_decay is by AdamW, with that
decay from layer to layer, no weight decay of 1-d parameters, a warm-up by steps, and soft labels. Training images are u(1, i), test images
u(2, i), both in row-major order; the label of image r is floor((u(3, r) + 1) / 2 * classes), in the test set u(4, r).
Epoch e takes the images (7 j + 5 e) mod count for j = 0, 1, ... in batches; what does not fill one is left out.
"""

import json
import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, MultiStepLR

HERE = Path(__file__).parent
IMAGES, TEST_IMAGES, SIDE, CLASSES, BATCH, EPOCHS = 20, 12, 8, 3, 8, 3


def u(salt, shape):
    """Numbers in [-1, 1), in row-major order: splitmix64 of (salt, index), its upper 24 bits."""
    count = math.prod(shape)
    with np.errstate(over="ignore"):
        z = np.uint64(salt << 32) + np.arange(count, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
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
        if stride != 1 or inputs != width:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet8(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(Block(16, 16, 1))
        self.layer2 = nn.Sequential(Block(16, 32, 2))
        self.layer3 = nn.Sequential(Block(32, 64, 2))
        self.fc = nn.Linear(64, CLASSES)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.fc(x.mean((2, 3)))


def set_by_formula(model):
    with torch.no_grad():
        for number, (name, parameter) in enumerate(model.named_parameters()):
            if parameter.dim() > 1:
                fan_in = math.prod(parameter.shape[1:])
                parameter.copy_(u(1000 + number, parameter.shape) * math.sqrt(6 / fan_in))
            else:
                parameter.fill_(1 if name.endswith("weight") else 0)
        model.fc.weight.mul_(0.01)


def labels(salt, count):
    return ((u(salt, (count,)) + 1) / 2 * CLASSES).floor().long()


def run(lr, lr_classifier, weight_decay, milestones):
    model = ResNet8().double()
    set_by_formula(model)
    backbone = [p for name, p in model.named_parameters() if not name.startswith("fc.")]
    optimizer = torch.optim.SGD(
        [
            {"params": backbone, "lr": lr * BATCH / 256},
            {"params": model.fc.parameters(), "lr": lr_classifier * BATCH / 256},
        ],
        momentum=0.9, weight_decay=weight_decay)
    if milestones is None:
        scheduler = CosineAnnealingLR(optimizer, EPOCHS)
    else:
        scheduler = MultiStepLR(optimizer, milestones, gamma=0.1)
    x, y = u(1, (IMAGES, 3, SIDE, SIDE)), labels(3, IMAGES)
    test_x, test_y = u(2, (TEST_IMAGES, 3, SIDE, SIDE)), labels(4, TEST_IMAGES)
    epochs = []
    for epoch in range(EPOCHS):
        model.train()
        order = [(7 * j + 5 * epoch) % IMAGES for j in range(IMAGES)]
        losses = []
        for start in range(0, IMAGES - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            loss = F.cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        scheduler.step()
        model.eval()
        with torch.no_grad():
            logits = model(test_x)
        epochs.append({
            "loss": sum(losses) / len(losses),
            "top1": 100 * (logits.argmax(1) == test_y).sum().item() / TEST_IMAGES,
        })
    return {
        "lr": lr,
        "lr_classifier": lr_classifier,
        "weight_decay": weight_decay,
        "milestones": milestones,
        "epochs": epochs,
        "logits": logits.flatten().tolist(),
        "norms": {name: tensor.double().norm().item() for name, tensor in model.state_dict().items()},
    }


def run_layerwise(lr, weight_decay, layer_decay, smoothing, warmup_epochs, min_lr):
    model = ResNet8().double()
    set_by_formula(model)

    def layer(name):
        return 4 if name.startswith("fc.") else int(name[5]) if name.startswith("layer") else 0

    groups = [
        {"params": [parameter], "scale": layer_decay ** (4 - layer(name)),
         "weight_decay": weight_decay if parameter.dim() > 1 else 0}
        for name, parameter in model.named_parameters()]
    optimizer = torch.optim.AdamW(groups, lr=lr)
    x, y = u(1, (IMAGES, 3, SIDE, SIDE)), labels(3, IMAGES)
    test_x, test_y = u(2, (TEST_IMAGES, 3, SIDE, SIDE)), labels(4, TEST_IMAGES)
    epochs = []
    base = lr * BATCH / 256
    for epoch in range(EPOCHS):
        model.train()
        order = [(7 * j + 5 * epoch) % IMAGES for j in range(IMAGES)]
        losses = []
        for index, start in enumerate(range(0, IMAGES - BATCH + 1, BATCH)):
            place = epoch + index / (IMAGES // BATCH)
            if place < warmup_epochs:
                rate = base * place / warmup_epochs
            else:
                progress = (place - warmup_epochs) / (EPOCHS - warmup_epochs)
                rate = min_lr + (base - min_lr) * 0.5 * (1 + math.cos(math.pi * progress))
            for group in optimizer.param_groups:
                group["lr"] = rate * group["scale"]
            rows = order[start : start + BATCH]
            loss = F.cross_entropy(model(x[rows]), y[rows], label_smoothing=smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            logits = model(test_x)
        epochs.append({
            "loss": sum(losses) / len(losses),
            "top1": 100 * (logits.argmax(1) == test_y).sum().item() / TEST_IMAGES,
        })
    return {
        "lr": lr,
        "lr_classifier": lr,
        "weight_decay": weight_decay,
        "milestones": None,
        "layer_decay": layer_decay,
        "smoothing": smoothing,
        "warmup_epochs": warmup_epochs,
        "min_lr": min_lr,
        "epochs": epochs,
        "logits": logits.flatten().tolist(),
        "norms": {name: tensor.double().norm().item() for name, tensor in model.state_dict().items()},
    }


def main():
    torch.set_num_threads(1)
    result = {
        "torch": torch.__version__,
        "images": IMAGES,
        "test_images": TEST_IMAGES,
        "side": SIDE,
        "classes": CLASSES,
        "batch": BATCH,
        "cases": [
            run(0.4, 4, 1e-4, None), run(2, 1, 0.01, [1, 2]), run_layerwise(0.1, 0.05, 0.6, 0.1, 1, 1e-4)],
    }
    (HERE / "finetune.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
