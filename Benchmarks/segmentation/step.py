"""Compares a training step of a segmentation network with the same network in plain PyTorch on torchvision's ResNet, in turns,
on two threads.

The network is that of He et al. 2020, appendix A: ResNet-50, conv5 with dilation 2, two 3x3 convolutions of 256 channels with
dilation 6, 21 classes, logits enlarged bilinearly. A step has 4 crops of 321 pixels of noise with random labels, batch
normalisation is trained, and SGD with momentum updates all weights. A turn is one run of either program, which times the
median of its steps; the report is the median over the turns.

    python Benchmarks/segmentation/step.py MOCO [--turns 5] [--channels-last] [--json]

Needs torch 2.11 and torchvision 0.26. Run it on an idle machine. --channels-last gives PyTorch that layout, which is not its
default.
"""

import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from in_turns import THREADS, compare, line, timed  # noqa: E402



def make_model(options):
    import torchvision
    from torch import nn

    net = torchvision.models.get_model(options.arch, weights=None)
    for module in net.layer4.modules():
        if isinstance(module, nn.Conv2d):
            module.stride = (1, 1)
            if module.kernel_size == (3, 3):
                module.dilation = module.padding = (2, 2)

    def dilated(inputs):
        return [nn.Conv2d(inputs, 256, 3, padding=6, dilation=6, bias=False), nn.BatchNorm2d(256), nn.ReLU(inplace=True)]

    return nn.Sequential(
        net.conv1, net.bn1, net.relu, net.maxpool, net.layer1, net.layer2, net.layer3, net.layer4,
        *dilated(net.fc.in_features), *dilated(256), nn.Conv2d(256, options.classes, 1))


def time_pytorch(options):
    import torch
    import torch.nn.functional as F

    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    layout = torch.channels_last if options.channels_last else torch.contiguous_format
    model = make_model(options).train().to(memory_format=layout)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=1e-4)
    side = options.crop_size
    pixels = torch.randint(0, 256, (options.batch_size, 3, side, side), dtype=torch.uint8)
    labels = torch.randint(0, options.classes, (options.batch_size, side, side))
    labels[torch.rand(labels.shape) < 0.1] = 255
    mean = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
    std = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)

    def step():
        images = ((pixels.float() - mean) / std).to(memory_format=layout)
        logits = F.interpolate(model(images), size=(side, side), mode="bilinear", align_corners=False)
        loss = F.cross_entropy(logits, labels, ignore_index=255)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    return timed(step, options.warmup, options.steps)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moco", nargs="?", help="the program, built with -c release")
    parser.add_argument("--arch", default="resnet50")
    parser.add_argument("--classes", type=int, default=21)
    parser.add_argument("--crop-size", type=int, default=321)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--pytorch", action="store_true", help="one turn of PyTorch's, as JSON")
    options = parser.parse_args()
    if options.pytorch:
        print(json.dumps(time_pytorch(options)))
        return
    if not options.moco:
        parser.error("MOCO is missing: the program to compare")
    names = ["arch", "classes", "crop_size", "batch_size", "warmup", "steps"]
    common = [word for name in names for word in (f"--{name.replace('_', '-')}", str(getattr(options, name)))]
    layout = ["--channels-last"] if options.channels_last else []
    result = compare(
        [options.moco, "bench", "segment", "--json", *common],
        [sys.executable, __file__, "--pytorch", *layout, *common], "PyTorch", options.turns)
    print(json.dumps(result) if options.json else line(result, "PyTorch"))


if __name__ == "__main__":
    main()
