"""Writes transfer/fcn-resnet18.json and fcn-resnet18-aligned.json: a segmentation network trained for three steps by torch
2.11.0 on torchvision 0.26.0's ResNet, in float64, and its test. Given a file of this kind, it recomputes that one and prints
how far it is off.

    python Tests/ModelsTests/Fixtures/make_fcn.py [fcn-resnet50.json ...]

u(salt, i) is the formula of TestSupport/Formula.swift, row-major. The network is that of He et al. 2020, appendix A: all 3x3
convolutions of layer4 have stride 1 and dilation 2, behind it two of dilation 6 with batch normalisation and ReLU, and a 1x1
convolution to the classes, whose output is enlarged bilinearly.
"""

import json
import pathlib
import sys

import numpy
import torch
import torch.nn.functional as F
import torchvision
from torch import nn

torch.set_num_threads(1)


def u(salt, *shape):
    i = numpy.arange(torch.Size(shape).numel(), dtype=numpy.uint64)
    z = numpy.uint64(salt << 32) + i + numpy.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
    z ^= z >> numpy.uint64(31)
    return torch.from_numpy((z >> numpy.uint64(40)).astype(numpy.float64) / 2**23 - 1).reshape(shape)


class FCN(nn.Module):
    def __init__(self, arch, channels, classes, dilation=6):
        super().__init__()
        self.backbone = torchvision.models.get_model(arch, weights=None)
        del self.backbone.fc
        for module in self.backbone.layer4.modules():
            if isinstance(module, nn.Conv2d):
                module.stride = (1, 1)
                if module.kernel_size == (3, 3):
                    module.dilation = module.padding = (2, 2)
        width = self.backbone.layer4[-1].bn2.num_features * (4 if "50" in arch or "101" in arch or "152" in arch else 1)

        def dilated(inputs):
            conv = nn.Conv2d(inputs, channels, 3, padding=dilation, dilation=dilation, bias=False)
            return [conv, nn.BatchNorm2d(channels), nn.ReLU()]

        self.head = nn.Sequential(*dilated(width), *dilated(channels), nn.Conv2d(channels, classes, 1))

    def conv5(self, x):
        net = self.backbone
        x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
        return net.layer4(net.layer3(net.layer2(net.layer1(x))))


def digest(t):
    t = t.detach()
    flat = t.flatten()
    return {"shape": list(t.shape), "sum": flat.sum().item(), "l2": flat.norm().item(),
            "dot": (flat * u(4242, flat.numel())).sum().item(),
            "first": flat[:4].tolist(), "last": flat[-4:].tolist()}


def norms(tensors):
    return {name: t.detach().norm().item() for name, t in tensors if t.is_floating_point()}


def run(spec):
    """The numbers of a file from its settings."""
    shapes = {name: shape for name, shape, _, _ in spec["parameters"]}
    arch = next(part for part in spec["case"].split("-") if part.startswith("resnet"))
    model = FCN(arch, shapes["head.0.weight"][0], spec["classes"]).double()
    parameters = dict(model.named_parameters())
    assert set(parameters) == set(shapes)
    with torch.no_grad():
        for name, shape, salt, gain in spec["parameters"]:
            assert list(parameters[name].shape) == shape, name
            if salt is None:
                parameters[name].fill_(1 if name.endswith("weight") else 0)
            else:
                fan_in = torch.Size(shape[1:]).numel()
                parameters[name].copy_(gain * u(salt, *shape) * (6 / fan_in) ** 0.5)
    solver, size, salt, classes = spec["solver"], spec["image"], spec["salt"], spec["classes"]
    optimizer = torch.optim.SGD(
        model.parameters(), lr=0, momentum=solver["momentum"], weight_decay=solver["weight_decay"])

    def enlarged(logits, size):
        return F.interpolate(logits, size=size, mode="bilinear", align_corners=spec["align_corners"])

    result = {"steps": [], "first_step": {}}
    for t, step in enumerate(spec["steps"]):
        images = 2 * u(salt + 600 + 10 * t, spec["batch"], 3, *size)
        labels = ((u(salt + 601 + 10 * t, spec["batch"], *size) + 1) / 2 * classes).floor().long()
        labels[u(salt + 602 + 10 * t, spec["batch"], *size) > 0.7] = 255
        conv5 = model.conv5(images)
        logits = model.head(conv5)
        loss = F.cross_entropy(enlarged(logits, size), labels, ignore_index=255)
        optimizer.zero_grad()
        loss.backward()
        if t == 0:
            result["first_step"] = {
                "conv5": digest(conv5), "logits": digest(logits), "upsampled": digest(enlarged(logits, size)),
                "gradient_norms": {name: p.grad.norm().item() for name, p in parameters.items()}}
        optimizer.param_groups[0]["lr"] = step["lr"]
        optimizer.step()
        result["steps"].append({
            "step": t, "lr": step["lr"], "loss": loss.item(), "counted_pixels": int((labels != 255).sum())})
    result["final"] = {"norms": norms(model.state_dict().items())}
    model.eval()
    size = spec["test"]["image"]
    with torch.no_grad():
        logits = enlarged(model.head(model.conv5(2 * u(salt + 650, 1, 3, *size))), size)[0]
    best = logits.topk(2, 0).values
    labels = logits.argmax(0)
    result["test"] = {
        "image": size, "logits": digest(logits), "margin": (best[0] - best[1]).min().item(),
        "label_counts": labels.flatten().bincount(minlength=classes).tolist(),
        "first_row": labels[0].tolist(), "middle_row": labels[size[0] // 2].tolist()}
    return result


def settings(case, align_corners, image, test_image, classes, channels, salt):
    model = FCN("resnet18", channels, classes)
    rows = []
    for place, (name, p) in enumerate(model.named_parameters()):
        has_salt = p.dim() > 1
        gain = 0.3 if name == "head.6.weight" else 1.0
        rows.append([name, list(p.shape), salt + place if has_salt else None, gain if has_salt else None])
    return {
        "case": case, "versions": {"torch": torch.__version__.split("+")[0],
                                   "torchvision": torchvision.__version__.split("+")[0]},
        "precision": "float64", "classes": classes, "image": image, "batch": 2, "align_corners": align_corners,
        "solver": {"momentum": 0.9, "weight_decay": 1e-4}, "salt": salt, "parameters": rows,
        "steps": [{"lr": 0.003}, {"lr": 0.003}, {"lr": 0.0003}], "test": {"image": test_image}}


def flat(value, path=""):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for key, inner in enumerate(value):
            yield from flat(inner, f"{path}[{key}]")
    else:
        yield path, value


def check(path):
    spec = json.loads(pathlib.Path(path).read_text())
    found = dict(flat(run(spec)))
    worst = {}
    for name, number in found.items():
        stated = dict(flat({key: spec[key] for key in ("steps", "first_step", "final", "test")}))[name]
        group = ".".join(name.split(".")[1:3]).split("[")[0]
        # Sums of numbers of both signs, and gradients that vanish but for rounding, are off by more than themselves.
        worst[group] = max(worst.get(group, 0), abs(number - stated) / max(abs(stated), 1e-3))
    print(spec["case"], worst)


if __name__ == "__main__":
    for path in sys.argv[1:]:
        check(path)
    if len(sys.argv) == 1:
        folder = pathlib.Path(__file__).parent / "transfer"
        for spec in [
            settings("fcn-resnet18", False, [65, 81], [50, 71], 5, 16, 71000),
            settings("fcn-resnet18-aligned", True, [49, 65], [33, 49], 4, 8, 74000),
        ]:
            (folder / f"{spec['case']}.json").write_text(json.dumps({**spec, **run(spec)}) + "\n")
