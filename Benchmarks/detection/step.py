"""Compares a detector's training step with torchvision 0.26's FasterRCNN in plain PyTorch, in turns, on two threads.

  c4    conv4 of a ResNet-18, conv5 on each box, short side 320, 4 images
  fpn   ResNet-50 with a feature pyramid, short side 480, 2 images

Sizes, anchors, limits of proposals and samples are those of `moco bench detect`. Batch normalisation is trained in both, and
SGD with momentum updates all weights. Images are noise with 8 boxes each. A turn is one run of either program, which times
the median of its steps; the report is the median over the turns.

    python Benchmarks/detection/step.py MOCO [--case c4|fpn] [--turns 5] [--json]

Needs torch 2.11 and torchvision 0.26. Run it on an idle machine.
"""

import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from in_turns import THREADS, compare, line, timed  # noqa: E402

CLASSES, BOXES = 20, 8
CASES = {
    "c4": {"arch": "resnet18", "height": 320, "width": 426, "images": 4, "anchors": (16, 32, 64, 128, 256),
           "pre": 2000, "post": 500, "roi": 64},
    "fpn": {"arch": "resnet50", "height": 480, "width": 640, "images": 2, "anchors": (32, 64, 128, 256, 512),
            "pre": 2000, "post": 1000, "roi": 512},
}


def make_model(case):
    import torch
    import torchvision
    from torch import nn
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
    from torchvision.ops import MultiScaleRoIAlign

    spec = CASES[case]
    common = {
        "min_size": min(spec["height"], spec["width"]), "max_size": 10_000,
        "rpn_pre_nms_top_n_train": spec["pre"], "rpn_post_nms_top_n_train": spec["post"],
        "rpn_batch_size_per_image": 256, "box_batch_size_per_image": spec["roi"],
    }
    ratios = (0.5, 1.0, 2.0)
    if case == "fpn":
        backbone = resnet_fpn_backbone(
            backbone_name=spec["arch"], weights=None, norm_layer=nn.BatchNorm2d, trainable_layers=5)
        anchors = AnchorGenerator(tuple((size,) for size in spec["anchors"]), (ratios,) * 5)
        return FasterRCNN(backbone, CLASSES + 1, rpn_anchor_generator=anchors, **common)

    net = torchvision.models.get_model(spec["arch"], weights=None)
    backbone = nn.Sequential(
        net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2, net.layer3)
    backbone.out_channels = 256
    width = 512

    class Conv5(nn.Module):
        """conv5, batch normalisation, and the mean over the places."""

        def __init__(self):
            super().__init__()
            self.blocks, self.norm = net.layer4, nn.BatchNorm2d(width)

        def forward(self, x):
            return self.norm(self.blocks(x)).mean((2, 3))

    anchors = AnchorGenerator((spec["anchors"],), (ratios,))
    pooler = MultiScaleRoIAlign(["0"], output_size=14, sampling_ratio=0)
    predictor = torchvision.models.detection.faster_rcnn.FastRCNNPredictor(width, CLASSES + 1)
    return FasterRCNN(
        backbone, None, rpn_anchor_generator=anchors, box_roi_pool=pooler, box_head=Conv5(),
        box_predictor=predictor, **common)


def time_torchvision(case, warmup, steps):
    import torch

    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    spec = CASES[case]
    height, width = spec["height"], spec["width"]
    model = make_model(case).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)
    images = [torch.rand(3, height, width) for _ in range(spec["images"])]
    targets = []
    for _ in images:
        size = torch.tensor([width, height]) * (0.0625 + 0.1875 * torch.rand(BOXES, 2))
        corner = torch.rand(BOXES, 2) * (torch.tensor([width, height]) - size)
        targets.append({
            "boxes": torch.cat([corner, corner + size], 1), "labels": torch.randint(1, CLASSES + 1, (BOXES,))})

    def step():
        loss = sum(model(images, targets).values())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    return timed(step, warmup, steps)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moco", nargs="?", help="the program, built with -c release")
    parser.add_argument("--case", choices=CASES, help="both unless given")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--torchvision", action="store_true", help="one turn of torchvision's, as JSON")
    options = parser.parse_args()
    if options.torchvision:
        print(json.dumps(time_torchvision(options.case or "c4", options.warmup, options.steps)))
        return
    if not options.moco:
        parser.error("MOCO is missing: the program to compare")
    steps = ["--warmup", str(options.warmup), "--steps", str(options.steps)]
    results = {}
    for case in [options.case] if options.case else CASES:
        results[case] = compare(
            [options.moco, "bench", "detect", "--case", case, "--json", *steps],
            [sys.executable, __file__, "--torchvision", "--case", case, *steps], "torchvision", options.turns, f"{case} ")
    if options.json:
        print(json.dumps(results))
    else:
        for case, row in results.items():
            print(f"{case}: {line(row, 'torchvision')}")


if __name__ == "__main__":
    main()
