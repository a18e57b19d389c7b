#!/usr/bin/env bash
# pycocotools 2.0.11 with numpy 2.4.6, seen 2026-11-28.
# COCOeval marks a missed object by the id 0 and a found one by its own id, so the annotation with id 0 counts as
# missed even when it is found, and its detection as a false positive. No warning. Two objects with ids 0 and 1 and
# two perfect detections have AP 0.25 and recall 0.5; with ids 1 and 2 they have AP 1.
# Many converters number annotations from 0. The class of the first annotation then loses one object; a rare class
# with a single object in the validation set has AP 0.
# Cure: number annotations from 1.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check pycocotools==2.0.11 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import contextlib
import io
from importlib.metadata import version

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

print("pycocotools", version("pycocotools"), "numpy", version("numpy"))
boxes = [[10, 10, 50, 50], [100, 100, 50, 50]]


def ap_and_recall(first_id):
    """AP and AR of perfect detections of objects whose ids start at `first_id`."""
    truth = COCO()
    objects = [
        {"id": i, "image_id": 1, "category_id": 1, "bbox": box, "area": 2500, "iscrowd": 0}
        for i, box in enumerate(boxes, first_id)
    ]
    truth.dataset = {"images": [{"id": 1}], "categories": [{"id": 1, "name": "cat"}], "annotations": objects}
    truth.createIndex()
    found = [{"image_id": 1, "category_id": 1, "bbox": box, "score": 0.9} for box in boxes]
    evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return [round(float(evaluation.stats[i]), 3) for i in (0, 8)]


for first_id, expected in (1, [1, 1]), (0, [0.252, 0.5]):
    with contextlib.redirect_stdout(io.StringIO()):
        result = ap_and_recall(first_id)
    print(f"ids {first_id} and {first_id + 1}: AP {result[0]}, recall {result[1]}")
    assert result == expected, "the behaviour changed"
PY
