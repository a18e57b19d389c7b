#!/usr/bin/env bash
# torchmetrics 1.9.0 with torch 2.13.0 and pycocotools 2.0.11, seen 2026-11-28. Needs Python 3.11.
# MeanAveragePrecision evaluates with pycocotools but not at its thresholds: they are made in float32, so 0.55, 0.6, 0.8
# and 0.85 are a little larger (0.6000000238…) and an overlap of exactly 0.6 is no match; in pycocotools it is. A box of
# 12 × 10 on an object of 20 × 10 has mAP 0.2 here and 0.3 there. The recall thresholds are float32 as well.
# Boxes and masks of whole pixels have such overlaps, small objects most often. The mAP of a detector on a pre-trained
# encoder then differs in its last digits from the published numbers beside it, which come from pycocotools.
# Cure: iou_thresholds and rec_thresholds given as Python floats.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check torchmetrics==1.9.0 torch==2.13.0 numpy==2.4.6 \
  pycocotools==2.0.11 pillow==13.0.0 requests
# torchmetrics takes box_convert from torchvision, which is plain Python; this one loads beside a torch without CUDA.
"$work/venv/bin/pip" install -q --disable-pip-version-check --no-deps torchvision==0.15.2
"$work/venv/bin/python" -W ignore - <<'PY'
import contextlib
import io
from importlib.metadata import version

import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from torchmetrics.detection import MeanAveragePrecision

print(*(f"{name} {version(name)}" for name in ("torchmetrics", "torch", "pycocotools")), sep=", ")
found, object_ = [0, 0, 12, 10], [0, 0, 20, 10]
decimal = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]


def by_torchmetrics(thresholds):
    metric = MeanAveragePrecision(iou_thresholds=thresholds)
    label = torch.tensor([0])
    prediction = {"boxes": torch.tensor([found]).float(), "scores": torch.tensor([0.9]), "labels": label}
    metric.update([prediction], [{"boxes": torch.tensor([object_]).float(), "labels": label}])
    return metric.compute()["map"], metric.iou_thresholds


def by_pycocotools():
    truth = COCO()
    entry = {"id": 1, "image_id": 1, "category_id": 1, "bbox": object_, "area": 200, "iscrowd": 0}
    truth.dataset = {"images": [{"id": 1}], "categories": [{"id": 1, "name": "cat"}], "annotations": [entry]}
    truth.createIndex()
    results = truth.loadRes([{"image_id": 1, "category_id": 1, "bbox": found, "score": 0.9}])
    evaluation = COCOeval(truth, results, "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats[0], evaluation.params.iouThrs


with contextlib.redirect_stdout(io.StringIO()):
    results = {
        "pycocotools": by_pycocotools(),
        "torchmetrics": by_torchmetrics(None),
        "torchmetrics with Python floats": by_torchmetrics(decimal),
    }
for name, (mean, thresholds) in results.items():
    print(f"{name}: mAP {mean:.3f}; the third threshold is {float(thresholds[2])!r}")
assert [round(float(mean), 3) for mean, _ in results.values()] == [0.3, 0.2, 0.3], "the behaviour changed"
PY
