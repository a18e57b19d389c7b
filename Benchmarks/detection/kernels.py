"""Times this program's RoIAlign and NMS beside torchvision's, on the same boxes, in turns, with two threads.

    swift build -c release --product moco
    python Benchmarks/detection/kernels.py [.build/release/moco]

wants torch 2.11.0 and torchvision 0.26.0. Each has the layout it is used with: torchvision N, C, H, W, moco channels last.
"""

import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import torch
import torchvision

THREADS, TURNS, ROUNDS = 2, 3, 3
program = sys.argv[1] if len(sys.argv) > 1 else ".build/release/moco"
torch.set_num_threads(THREADS)
torch.manual_seed(0)


def boxes(count, width, height, low, high):
    """Centres anywhere in the image, sides log-uniform."""
    centres = torch.rand(count, 2) * torch.tensor([width, height])
    sides = low * (high / low) ** torch.rand(count, 2)
    corners = torch.cat([centres - sides / 2, centres + sides / 2], 1)
    corners[:, 0::2] = corners[:, 0::2].clamp(0, width)
    corners[:, 1::2] = corners[:, 1::2].clamp(0, height)
    return corners


maps = {
    "FPN level 200x272x256, 512 boxes, 7x7": ((1, 256, 200, 272), 7, 1 / 4, boxes(512, 1088, 800, 16, 112)),
    "C4 50x68x1024, 512 boxes, 14x14": ((1, 1024, 50, 68), 14, 1 / 16, boxes(512, 1088, 800, 32, 512)),
}
suppressions = {
    f"NMS of {count} boxes": (boxes(count, 1088, 800, 16, 400), torch.rand(count)) for count in (2000, 12000)
}
cases = {
    "threads": THREADS,
    "rounds": ROUNDS,
    "roi_align": [
        {"name": name, "shape": shape, "bins": bins, "scale": scale, "boxes": rows.flatten().tolist()}
        for name, (shape, bins, scale, rows) in maps.items()
    ],
    "nms": [
        {"name": name, "boxes": rows.flatten().tolist(), "scores": scores.tolist(), "threshold": 0.7}
        for name, (rows, scores) in suppressions.items()
    ],
}


def median_time(body):
    body()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        body()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def torchvisions():
    result = {}
    for name, (shape, bins, scale, rows) in maps.items():
        x = torch.randn(shape)
        rois = torch.cat([torch.zeros(len(rows), 1), rows], 1)

        def align():
            return torchvision.ops.roi_align(x, rois, bins, scale, 0, True)

        result[f"{name} forward"] = median_time(align)
        x.requires_grad_()
        cotangent = torch.ones_like(align())

        def with_gradient():
            x.grad = None
            (align() * cotangent).sum().backward()

        result[f"{name} forward and gradient"] = median_time(with_gradient)
    for name, (rows, scores) in suppressions.items():
        result[name] = median_time(lambda: torchvision.ops.nms(rows, scores, 0.7))
    return result


with tempfile.TemporaryDirectory() as folder:
    file = pathlib.Path(folder, "cases.json")
    file.write_text(json.dumps(cases))
    turns = []
    for _ in range(TURNS):
        ours = json.loads(subprocess.run([program, "bench", "detection-kernels", file], check=True, stdout=-1).stdout)
        turns.append((torchvisions(), ours))

print("| | torchvision, ms | moco, ms | ratio (median of turns) |\n|---|---|---|---|")
for name in turns[0][0]:
    theirs, ours = ([turn[i][name] for turn in turns] for i in (0, 1))
    ratio = statistics.median(a / b for a, b in zip(theirs, ours))
    print(f"| {name} | {statistics.median(theirs):.1f} | {statistics.median(ours):.1f} | {ratio:.1f} |")
