"""Writes mixing.json with timm 1.0.31: mixup, CutMix, soft labels and random erasing at fixed draws.

boxes: rand_bbox for a share λ and a centre, and λ after its correction.
mixed: a batch of images u(1, i), N×3×H×W, and its labels, mixed by timm's Mixup with λ and, for CutMix, a centre.
smoothing: the loss of logits u(2, i) · 3 by timm's LabelSmoothingCrossEntropy.
erasing: RandomErasing's box for a list of numbers of 0 ..< 1, which stand for its uniform draws in their order; null if
no try fits.
"""

import json
import math
from pathlib import Path
from unittest import mock

import numpy as np
import timm
import torch
from timm.data import Mixup
from timm.data import mixup as mixup_module
from timm.data import random_erasing
from timm.loss import LabelSmoothingCrossEntropy

HERE = Path(__file__).parent
SHAPE, LABELS, CLASSES, SMOOTHING = (4, 3, 5, 6), [2, 0, 3, 2], 5, 0.1


def u(salt, shape):
    """Numbers in [-1, 1), in row-major order: splitmix64 of (salt, index), its upper 24 bits."""
    count = math.prod(shape)
    with np.errstate(over="ignore"):
        z = np.uint64(salt << 32) + np.arange(count, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return torch.from_numpy((z >> np.uint64(40)).astype(np.float64) / 2**23 - 1).reshape(shape)


def drawing(y, x):
    """numpy's randint gives the centre: the row first."""
    values = iter([y, x])
    return mock.patch.object(mixup_module.np.random, "randint", lambda *_, **__: next(values))


def boxes():
    for height, width, share, y, x in [
            (224, 224, 0.5, 100, 60), (224, 224, 0.3, 0, 223), (224, 160, 0.81, 223, 3), (32, 32, 0.02, 16, 16),
            (32, 48, 0.999, 5, 40), (7, 9, 0.6, 3, 8)]:
        with drawing(y, x):
            (top, bottom, left, right), corrected = mixup_module.cutmix_bbox_and_lam((3, height, width), share)
        yield {
            "height": height, "width": width, "share": share, "center": [y, x],
            "rows": [int(top), int(bottom)], "columns": [int(left), int(right)], "corrected": float(corrected)}


def mixed():
    for share, center in [(0.7, None), (0.25, None), (0.5, (2, 4)), (0.3, (0, 0))]:
        mix = Mixup(mixup_alpha=0.8, cutmix_alpha=1.0, label_smoothing=SMOOTHING, num_classes=CLASSES)
        images = u(1, SHAPE).clone()
        with mock.patch.object(mix, "_params_per_batch", lambda: (share, center is not None)), drawing(*center or (0, 0)):
            images, targets = mix(images, torch.tensor(LABELS))
        yield {
            "share": share, "center": center, "images": images.flatten().tolist(),
            "targets": targets.flatten().tolist()}


class Draws:
    """In place of Python's random module."""

    def __init__(self, numbers):
        self.numbers = iter(numbers)

    def random(self):
        return 0.0

    def uniform(self, low, high):
        return low + (high - low) * next(self.numbers)

    def randint(self, low, high):
        return low + int(next(self.numbers) * (high - low + 1))


def erasing():
    source = np.random.default_rng(5)
    for height, width in [(224, 224), (32, 32), (16, 80), (80, 16), (3, 200)]:
        for _ in range(3):
            numbers = [round(float(number), 6) for number in source.random(24)]
            image = torch.full((3, height, width), math.nan)
            with mock.patch.object(random_erasing, "random", Draws(numbers)):
                random_erasing.RandomErasing(probability=1, mode="pixel", device="cpu")(image)
            rows, columns = torch.where(~image[0].isnan())
            box = [int(rows.min()), int(rows.max()) + 1, int(columns.min()), int(columns.max()) + 1] if len(rows) else None
            yield {"height": height, "width": width, "numbers": numbers, "box": box}


def main():
    logits = u(2, (4, CLASSES)) * 3
    result = {
        "timm": timm.__version__, "shape": SHAPE, "labels": LABELS, "classes": CLASSES, "smoothing": SMOOTHING,
        "boxes": list(boxes()), "mixed": list(mixed()),
        "smoothed_loss": LabelSmoothingCrossEntropy(SMOOTHING)(logits, torch.tensor(LABELS)).item(),
        "erasing": list(erasing())}
    (HERE / "mixing.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
