"""Writes linear.json with torch 2.11: three epochs of the linear protocol on features that a formula gives.

Training feature i is max(0, u(1, i)), test feature i max(0, u(2, i)), in row-major order; the label of row r is
floor((u(3, r) + 1) / 2 * classes), in the test set u(4, r). Epoch e takes the rows (7 j + 5 e) mod rows for
j = 0, 1, ... in batches; what does not fill one is left out.
"""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch.optim.lr_scheduler import CosineAnnealingLR, MultiStepLR

HERE = Path(__file__).parent
ROWS, TEST_ROWS, WIDTH, CLASSES, BATCH, EPOCHS, SEED = 60, 30, 12, 7, 16, 3, 5


def u(salt, count):
    """Numbers in [-1, 1): splitmix64 of (salt, index), its upper 24 bits."""
    with np.errstate(over="ignore"):
        z = np.uint64(salt << 32) + np.arange(count, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return torch.from_numpy((z >> np.uint64(40)).astype(np.float64) / 2**23 - 1)


def features(salt, rows):
    return u(salt, rows * WIDTH).clamp(min=0).float().reshape(rows, WIDTH)


def labels(salt, rows):
    return ((u(salt, rows) + 1) / 2 * CLASSES).floor().long()


def run(lr, weight_decay, milestones):
    classifier = torch.nn.Linear(WIDTH, CLASSES)
    classifier.weight.data.normal_(mean=0.0, std=0.01, generator=torch.Generator().manual_seed(SEED))
    classifier.bias.data.zero_()
    optimizer = torch.optim.SGD(
        classifier.parameters(), lr * BATCH / 256, momentum=0.9, weight_decay=weight_decay)
    if milestones is None:
        scheduler = CosineAnnealingLR(optimizer, EPOCHS)
    else:
        scheduler = MultiStepLR(optimizer, milestones, gamma=0.1)
    x, y, test_x, test_y = features(1, ROWS), labels(3, ROWS), features(2, TEST_ROWS), labels(4, TEST_ROWS)
    epochs = []
    for epoch in range(EPOCHS):
        order = [(7 * j + 5 * epoch) % ROWS for j in range(ROWS)]
        losses = []
        for start in range(0, ROWS - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            loss = F.cross_entropy(classifier(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        scheduler.step()
        with torch.no_grad():
            ranked = classifier(test_x).topk(5, dim=1).indices
        hits = ranked == test_y[:, None]
        epochs.append({
            "loss": sum(losses) / len(losses),
            "top1": 100 * hits[:, :1].sum().item() / TEST_ROWS,
            "top5": 100 * hits.sum().item() / TEST_ROWS,
        })
    return {
        "lr": lr,
        "weight_decay": weight_decay,
        "milestones": milestones,
        "epochs": epochs,
        "weight": classifier.weight.detach().flatten().tolist(),
        "bias": classifier.bias.tolist(),
    }


def main():
    torch.set_num_threads(1)
    result = {
        "torch": torch.__version__,
        "rows": ROWS,
        "test_rows": TEST_ROWS,
        "width": WIDTH,
        "classes": CLASSES,
        "batch": BATCH,
        "seed": SEED,
        "cases": [run(30, 0, [1, 2]), run(0.1, 0, None), run(3, 0.01, None)],
    }
    (HERE / "linear.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
