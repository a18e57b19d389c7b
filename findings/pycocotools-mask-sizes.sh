#!/usr/bin/env bash
# pycocotools 2.0.11 with numpy 2.4.6, seen 2026-11-28.
# AP of small, medium and large masks depends on a field that masks do not need: if the FIRST result in the list has a
# "bbox", loadRes takes width × height of the boxes as the area of all results; otherwise it counts pixels. A slim or
# diagonal object is then in another size class. AP over all sizes does not change, which hides it.
# Here a triangle of 780 pixels in a box of 39 × 39 that matches no object: without boxes it is a small false positive
# and AP of small masks is 0.5; with boxes it is medium, is ignored, and AP of small masks is 1.
# One model's results, written by two frameworks, then have different AP of small objects.
# Cure: remove "bbox" from results of masks.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check pycocotools==2.0.11 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import contextlib
import io
from importlib.metadata import version

from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

print("pycocotools", version("pycocotools"), "numpy", version("numpy"))


def triangle(x):
    return [[x, x, x + 40, x, x, x + 40]]


def encoded(polygon):
    return mask.merge(mask.frPyObjects(polygon, 300, 300))


def ap(with_boxes):
    """AP over all sizes, of small masks and of medium masks: a false positive above a true positive."""
    area = float(mask.area(encoded(triangle(10))))
    truth = COCO()
    truth.dataset = {
        "images": [{"id": 1, "width": 300, "height": 300}],
        "categories": [{"id": 1, "name": "sail"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": triangle(10), "area": area, "iscrowd": 0}
        ],
    }
    truth.createIndex()
    found = []
    for x, score in (100, 0.9), (10, 0.5):
        found.append({"image_id": 1, "category_id": 1, "segmentation": encoded(triangle(x)), "score": score})
        if with_boxes:
            found[-1]["bbox"] = mask.toBbox(found[-1]["segmentation"]).tolist()
    evaluation = COCOeval(truth, truth.loadRes(found), "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return [round(float(evaluation.stats[i]), 3) for i in (0, 3, 4)]


print("pixels of the triangle:", mask.area(encoded(triangle(10))), "box:", mask.toBbox(encoded(triangle(10))).tolist())
for with_boxes, expected in (False, [0.5, 0.5, -1]), (True, [0.5, 1, -1]):
    with contextlib.redirect_stdout(io.StringIO()):
        result = ap(with_boxes)
    print(f"{'with' if with_boxes else 'without'} bbox: AP {result[0]}, small {result[1]}, medium {result[2]}")
    assert result == expected, "the behaviour changed"
PY
