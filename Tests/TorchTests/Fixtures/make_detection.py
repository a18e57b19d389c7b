"""Writes detection.json: what torch 2.11.0 and torchvision 0.26.0 make of boxes and maps, in float64 where not said.

u(salt, i) is the formula of TestSupport/Formula.swift, row-major.
"""
import json
import pathlib

import torch
import torch.nn.functional as F
import torchvision

MASK = (1 << 64) - 1


def u(salt, *shape):
    values = []
    for i in range(torch.Size(shape).numel()):
        z = ((salt << 32) + i + 0x9E3779B97F4A7C15) & MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        z ^= z >> 31
        values.append((z >> 40) / 2**23 - 1)
    return torch.tensor(values, dtype=torch.float64).reshape(shape)


def gradients(function, *inputs):
    """The result, and the gradients of the sum of its products with u(9)."""
    inputs = [x.clone().requires_grad_() for x in inputs]
    y = function(*inputs)
    (y * u(9, *y.shape)).sum().backward()
    return y.detach().flatten().tolist(), [x.grad.flatten().tolist() for x in inputs]


def roi_align():
    boxes = [
        [0, 2.5, 3, 20, 17],
        [1, -9, -7, 8, 9],
        [0, 14, 12, 60, 60],  # far beyond the map
        [1, 9, 9, 9, 9],  # without area
        [1, 15, 13, 11, 2],  # inverted
        [0, 200, 200, 210, 220],
        [1, 0, 0, 28, 24],
    ]
    cases = []
    for size, ratio, aligned in [((2, 3), 0, True), ((3, 2), 2, True), ((3, 3), 0, False), ((1, 2), 3, False)]:
        y, (dx,) = gradients(
            lambda x: torchvision.ops.roi_align(x, torch.tensor(boxes).double(), size, 0.25, ratio, aligned),
            u(1, 2, 3, 6, 7),
        )
        cases.append({"output": size, "sampling_ratio": ratio, "aligned": aligned, "values": y, "gradient": dx})
    return {"boxes": boxes, "cases": cases}


def nms():
    """Whole numbers, so that IoUs meet the thresholds exactly and scores are equal; some boxes have no area."""
    whole = (u(2, 300, 4).abs() * 9).floor()
    whole[:, 2:] += whole[:, :2]
    scores = (u(3, 300).abs() * 40).floor() / 40
    classes = (u(4, 300).abs() * 3).floor().long()
    kept = []
    for kind in (torch.float32, torch.float64):
        for threshold in (0, 0.3, 1 / 3, 0.5, 0.7, 1):
            boxes = whole.to(kind)
            kept.append(
                {
                    "kind": str(kind)[6:],
                    "threshold": threshold,
                    "kept": torchvision.ops.nms(boxes, scores.to(kind), threshold).tolist(),
                    "kept_by_class": torchvision.ops.boxes._batched_nms_vanilla(
                        boxes, scores.to(kind), classes, threshold
                    ).sort()[0].tolist(),
                }
            )
    return {
        "boxes": whole.flatten().tolist(),
        "scores": scores.tolist(),
        "classes": classes.tolist(),
        "cases": kept,
    }


def upsampling():
    modes = {
        "nearest": lambda x: F.interpolate(x, (5, 9), mode="nearest"),
        "bilinear": lambda x: F.interpolate(x, (5, 9), mode="bilinear", align_corners=False),
        "bilinear_aligning_corners": lambda x: F.interpolate(x, (5, 9), mode="bilinear", align_corners=True),
        "bicubic": lambda x: F.interpolate(x, (5, 9), mode="bicubic", align_corners=False),
    }
    cases = []
    for name, function in modes.items():
        y, (dx,) = gradients(function, u(5, 1, 2, 3, 4))
        cases.append({"mode": name, "values": y, "gradient": dx})
    return cases


def transposed_convolution():
    cases = []
    for kernel, stride, padding in [(2, 2, 0), (4, 2, 1), (3, 1, 0)]:
        y, gradient = gradients(
            lambda x, w, b: F.conv_transpose2d(x, w, b, stride=stride, padding=padding),
            u(6, 2, 3, 3, 2),
            u(7, 3, 2, kernel, kernel),
            u(8, 2),
        )
        cases.append(
            {"kernel": kernel, "stride": stride, "padding": padding, "values": y, "gradients": gradient}
        )
    return cases


def losses():
    x, target = 4 * u(10, 3, 5), u(11, 3, 5)
    share = target.abs()
    functions = {
        "binary_cross_entropy": lambda x: F.binary_cross_entropy_with_logits(x, share, reduction="sum"),
        "smooth_l1": lambda x: F.smooth_l1_loss(x, target, beta=1.5, reduction="sum"),
        "l1": lambda x: F.l1_loss(x, target, reduction="sum"),
        "log_softmax": lambda x: F.log_softmax(x, 1),
    }
    result = []
    for name, function in functions.items():
        y, (dx,) = gradients(function, x)
        result.append({"name": name, "values": y, "gradient": dx})
    return result


fixture = {
    "torch": torch.__version__,
    "torchvision": torchvision.__version__,
    "roi_align": roi_align(),
    "nms": nms(),
    "upsampling": upsampling(),
    "transposed_convolution": transposed_convolution(),
    "losses": losses(),
}
path = pathlib.Path(__file__).with_name("detection.json")
path.write_text(json.dumps(fixture, separators=(",", ":")) + "\n")
