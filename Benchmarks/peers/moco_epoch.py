"""Trains from JPEG files like a plain PyTorch program: torchvision's and Pillow's two v2 views in a DataLoader, then
the step of moco_step.py. Prints images per second and the share of the time spent waiting for the loader.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch

from moco_step import MoCo, SplitBatchNorm, make_encoder
from v2_loader import SUFFIXES, decode, v2


class TwoViews(torch.utils.data.Dataset):
    def __init__(self, folder, size):
        self.paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
        self.view = v2(size)

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        image = decode(self.paths[index])
        return self.view(image), self.view(image)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--variant", choices=["eager", "amp", "compile"], default="eager")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--arch", default="resnet50")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--k", type=int, default=65536)
    parser.add_argument("--workers", type=int, default=16)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--warmup", type=int, default=5)
    options = parser.parse_args()

    torch.manual_seed(0)
    SplitBatchNorm.splits = 1
    moco = MoCo(make_encoder(options.arch, "imagenet", True), options.k, options.variant, options.device, m=0.999, t=0.2)
    optimizer = torch.optim.SGD(moco.encoder_q.parameters(), lr=0.03, momentum=0.9, weight_decay=1e-4)
    layout = torch.contiguous_format if options.variant == "eager" else torch.channels_last
    loader = torch.utils.data.DataLoader(
        TwoViews(options.data, options.image_size), options.batch, shuffle=True, num_workers=options.workers,
        pin_memory=options.device != "cpu", drop_last=True, persistent_workers=True,
    )

    def batches():
        while True:
            yield from loader

    stream, seconds, waits = batches(), [], []
    for _ in range(options.warmup + options.steps):
        started = time.perf_counter()
        views = next(stream)
        waits.append(time.perf_counter() - started)
        x_q, x_k = (x.to(options.device, non_blocking=True, memory_format=layout) for x in views)
        moco.step(x_q, x_k, optimizer)
        seconds.append(time.perf_counter() - started)
    seconds, waits = seconds[options.warmup :], waits[options.warmup :]
    print(json.dumps({
        "variant": options.variant,
        "images_per_second": options.batch * len(seconds) / sum(seconds),
        "median_images_per_second": options.batch / statistics.median(seconds),
        "data_wait": sum(waits) / sum(seconds),
        "steps": len(seconds),
    }))


if __name__ == "__main__":
    main()
