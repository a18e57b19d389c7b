#!/usr/bin/env bash
# torchmetrics 1.9.0 with torch 2.13.0 and pycocotools 2.0.11, seen 2026-11-28. Needs Python 3.11.
# MeanAveragePrecision(average="micro") does not pool classes as "micro" does elsewhere (count per class, then sum): it
# gives every box the same label. A detector that finds each object and names every class wrongly has mAP 1.0; with
# "macro" it has 0.0. In MulticlassAccuracy of the same package "micro" counts a wrong label as wrong.
# Detection is one of the tests of a pre-trained encoder; this average measures its boxes and nothing of its classes.
# Cure: "macro", or class AP weighted by hand.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check torchmetrics==1.9.0 torch==2.13.0 numpy==2.4.6 \
  pycocotools==2.0.11 pillow==13.0.0 requests
# torchmetrics takes box_convert from torchvision, which is plain Python; this one loads beside a torch without CUDA.
"$work/venv/bin/pip" install -q --disable-pip-version-check --no-deps torchvision==0.15.2
"$work/venv/bin/python" -W ignore - <<'PY'
from importlib.metadata import version

import torch
from torchmetrics.classification import MulticlassAccuracy
from torchmetrics.detection import MeanAveragePrecision

print(*(f"{name} {version(name)}" for name in ("torchmetrics", "torch", "pycocotools")), sep=", ")
boxes = torch.tensor([[10.0, 10, 60, 60], [100, 100, 150, 150]])
labels, swapped = torch.tensor([0, 1]), torch.tensor([1, 0])
scores = torch.tensor([0.9, 0.8])
for average, expected in ("macro", [1, 0, 0]), ("micro", [1, 1, 0]):
    values = []
    for predicted in labels, swapped:
        metric = MeanAveragePrecision(average=average)
        metric.update([{"boxes": boxes, "scores": scores, "labels": predicted}], [{"boxes": boxes, "labels": labels}])
        values.append(round(float(metric.compute()["map"]), 3))
    values.append(float(MulticlassAccuracy(2, average=average)(swapped, labels)))
    print(f"{average}: mAP with right labels {values[0]}, with swapped labels {values[1]};", end=" ")
    print(f"accuracy of swapped labels {values[2]}")
    assert values == expected, "the behaviour changed"
PY
