"""The MoCo v2 data pipeline as a plain torchvision and Pillow program, timed on one core.

Prints images per second: decoding alone, decoding and both crops, and everything up to a batch of two normalised
float views.
"""

import argparse
import json
import random
import statistics
import time
from pathlib import Path

import PIL
import torch
import torchvision
from PIL import Image, ImageFilter
from torchvision import transforms

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


class GaussianBlur:
    """Pillow's blur with a radius drawn for each image."""

    def __init__(self, low, high):
        self.low, self.high = low, high

    def __call__(self, image):
        return image.filter(ImageFilter.GaussianBlur(radius=random.uniform(self.low, self.high)))


def v2(size):
    return transforms.Compose(
        [
            transforms.RandomResizedCrop(size, scale=(0.2, 1.0)),
            transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            transforms.RandomGrayscale(p=0.2),
            transforms.RandomApply([GaussianBlur(0.1, 2.0)], p=0.5),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )


def decode(path):
    with open(path, "rb") as file:
        return Image.open(file).convert("RGB")


def seconds(work, paths):
    start = time.perf_counter()
    work(paths)
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="a folder; every image below it is read")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--images", type=int, default=140)
    parser.add_argument("--batch-size", type=int, default=20)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(1)
    random.seed(1)
    paths = sorted(p for p in options.data.rglob("*") if p.suffix.lower() in SUFFIXES)
    count = min(options.images, len(paths))
    paths = [paths[i * len(paths) // count] for i in range(count)]
    crop = transforms.RandomResizedCrop(options.image_size, scale=(0.2, 1.0))
    view = v2(options.image_size)

    def decoded(paths):
        for path in paths:
            decode(path)

    def cropped(paths):
        for path in paths:
            image = decode(path)
            crop(image), crop(image)

    def full(paths):
        for start in range(0, len(paths), options.batch_size):
            images = [decode(path) for path in paths[start : start + options.batch_size]]
            for _ in range(2):
                torch.stack([view(image) for image in images])

    stages = {"decode": decoded, "crops": cropped, "full": full}
    full(paths[: options.batch_size])
    times = {name: [] for name in stages}
    for _ in range(options.passes):
        for name, work in stages.items():
            times[name].append(seconds(work, paths))
    rates = {name: len(paths) / statistics.median(taken) for name, taken in times.items()}
    if options.json:
        print(json.dumps(rates | {"images": len(paths)}))
        return
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}, Pillow {PIL.__version__}")
    for name, rate in rates.items():
        print(f"{name:7} {rate:8.1f} images/s")


if __name__ == "__main__":
    main()
