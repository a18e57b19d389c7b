#!/usr/bin/env bash
# cityscapesScripts 2.3.0 with numpy 2.2.6 and Pillow 12.0.0, seen 2026-11-28. (It does not run with numpy 2.4.)
# Its instance AP has the name and the ten overlaps of COCO's AP and is another number. The curve has no envelope, is
# summed by trapezoids and starts at an artificial point (recall 0, precision 1): one false positive above the only true
# positive gives AP50 0.25, COCO 0.5. And the overlap must be GREATER than the threshold: a mask that covers exactly
# half of its object is a miss at 0.5, in COCO a match.
# Encoders are compared by instance AP on both data sets, and Cityscapes masks are often evaluated with pycocotools:
# the same masks have two very different numbers under one name.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check cityscapesScripts==2.3.0 numpy==2.2.6 pillow==12.0.0 \
  pycocotools==2.0.11
cd "$work"
"$work/venv/bin/python" - <<'PY'
import contextlib
import io
import os
from importlib.metadata import version

import numpy as np
from cityscapesscripts.evaluation import evalInstanceLevelSemanticLabeling as cityscapes
from PIL import Image
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

print("cityscapesScripts", version("cityscapesScripts"), "pycocotools", version("pycocotools"))
ROAD, CAR = 7, 26  # labels


def square(x, height=40):
    pixels = np.zeros((200, 200), np.uint8)
    pixels[20 : 20 + height, x : x + 40] = 1
    return pixels


def by_cityscapes(name, found):
    os.makedirs(name)
    truth = f"{name}/town_000000_000000_gtFine_instanceIds.png"
    Image.fromarray(np.where(square(20), 1000 * CAR, ROAD).astype(np.uint16)).save(truth)
    with open(f"{name}/town_000000_000000.txt", "w") as lines:
        for i, (pixels, score) in enumerate(found):
            Image.fromarray(pixels * 255).save(f"{name}/{i}.png")
            print(f"{i}.png {CAR} {score}", file=lines)
    args = cityscapes.args
    args.quiet, args.JSONOutput = True, False
    args.gtInstancesFile, args.predictionPath = f"{name}/instances.json", os.path.abspath(name)
    averages = cityscapes.evaluateImgLists([f"{name}/town_000000_000000.txt"], [truth], args)["averages"]
    return averages["classes"]["car"]["ap50%"]


def by_coco(found):
    def encoded(pixels):
        return mask.encode(np.asfortranarray(pixels))

    truth = COCO()
    entry = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": encoded(square(20)), "area": 1600, "iscrowd": 0}
    image = {"id": 1, "width": 200, "height": 200}
    truth.dataset = {"images": [image], "categories": [{"id": 1, "name": "car"}], "annotations": [entry]}
    truth.createIndex()
    results = [{"image_id": 1, "category_id": 1, "segmentation": encoded(p), "score": s} for p, s in found]
    evaluation = COCOeval(truth, truth.loadRes(results), "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats[1]


for name, found, expected in (
    ("perfect", [(square(20), 0.9)], (1, 1)),
    ("a false positive first", [(square(120), 0.9), (square(20), 0.5)], (0.25, 0.5)),
    ("half of the object", [(square(20, height=20), 0.9)], (0, 1)),
):
    with contextlib.redirect_stdout(io.StringIO()):
        result = tuple(round(float(ap), 3) for ap in (by_cityscapes(name, found), by_coco(found)))
    print(f"{name}: AP50 by Cityscapes {result[0]}, by COCO {result[1]}")
    assert result == expected, "the behaviour changed"
PY
