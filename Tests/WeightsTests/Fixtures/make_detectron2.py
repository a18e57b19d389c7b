"""Small checkpoints with detectron2's names: detectron2.pkl, detectron2.pth and detectron2-backbone.pkl.

A C4 detector with one block in conv2 and one in conv5, of two channels, as detectron2 0.6 names its tensors. The numbers
are 0.5, 1.5, 2.5, … in the order of the names, so that every tensor is known. `.pkl` is written as
detectron2's model zoo and the converter published with MoCo write it, `.pth` as its DetectionCheckpointer.

    python make_detectron2.py FOLDER
"""

import pickle
import sys
from collections import OrderedDict

import numpy
import torch


def norm(name, channels, counts=True):
    rows = [(f"{name}.{part}", (channels,)) for part in ("weight", "bias", "running_mean", "running_var")]
    return rows + ([(f"{name}.num_batches_tracked", ())] if counts else [])


def convolution(name, inputs, outputs, counts):
    return [(f"{name}.weight", (outputs, inputs, 1, 1))] + norm(f"{name}.norm", outputs, counts)


def backbone(prefix, counts):
    return (
        convolution(f"{prefix}stem.conv1", 3, 2, counts)
        + convolution(f"{prefix}res2.0.shortcut", 2, 2, counts)
        + convolution(f"{prefix}res2.0.conv1", 2, 2, counts)
    )


def conv5(prefix, counts):
    return convolution(f"{prefix}res5.0.conv1", 2, 2, counts)


def detector(classes, counts):
    return (
        backbone("backbone.", counts)
        + [("proposal_generator.rpn_head.conv.weight", (2, 2, 3, 3)), ("proposal_generator.rpn_head.conv.bias", (2,))]
        + conv5("roi_heads.", counts)
        + norm("roi_heads.res5.norm", 2, counts)
        + [
            ("roi_heads.box_predictor.cls_score.weight", (classes + 1, 2)),
            ("roi_heads.box_predictor.cls_score.bias", (classes + 1,)),
        ]
    )


def numbers(rows):
    state, start = OrderedDict(), 0
    for name, shape in rows:
        if shape == ():
            state[name] = torch.tensor(7)
            continue
        count = int(numpy.prod(shape))
        state[name] = (torch.arange(start, start + count, dtype=torch.float32) + 0.5).reshape(shape)
        start += count
    return state


def main(folder):
    zoo = OrderedDict((name, tensor.numpy()) for name, tensor in numbers(detector(2, counts=False)).items())
    # Of detectron2's own detectors, which take blue first and no deviation.
    zoo["pixel_mean"] = numpy.array([[[103.53]], [[116.28]], [[123.675]]], numpy.float32)
    zoo["pixel_std"] = numpy.ones((3, 1, 1), numpy.float32)
    zoo["proposal_generator.anchor_generator.cell_anchors.0"] = numpy.zeros((15, 4), numpy.float32)
    with open(f"{folder}/detectron2.pkl", "wb") as file:
        pickle.dump({"model": dict(zoo), "__author__": "Detectron2 Model Zoo"}, file)

    trained = {
        "model": numbers(detector(2, counts=True)),
        "optimizer": {"state": {0: {"momentum_buffer": torch.ones(2)}}, "param_groups": [{"lr": 0.02}]},
        "scheduler": {"last_epoch": 24000},
        "iteration": 23999,
    }
    torch.save(trained, f"{folder}/detectron2.pth")

    converted = numbers(backbone("", counts=True) + conv5("", counts=True))
    arrays = {name: tensor.numpy() for name, tensor in converted.items()}
    with open(f"{folder}/detectron2-backbone.pkl", "wb") as file:
        pickle.dump({"model": arrays, "__author__": "MOCO", "matching_heuristics": True}, file)


if __name__ == "__main__":
    main(sys.argv[1])
