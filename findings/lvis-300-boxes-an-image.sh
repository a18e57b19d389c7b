#!/usr/bin/env bash
# lvis 0.5.3 (with pycocotools 2.0.7, numpy 1.23.5) and faster-coco-eval 1.8.0, seen 2026-11-28. Needs Python 3.11.
# LVIS judges only some classes in each image. lvis keeps the 300 best boxes of an image over ALL classes first and
# drops those of classes without a judgement later: 300 boxes of an unjudged class push the right box out, and AP is 0
# where 299 leave it at 1.
# faster-coco-eval's lvis_style keeps 300 for each class instead, and gives 1 for both: its AP is not that of lvis.
# Numbers of the two tools for the transfer of an encoder to detection cannot stand in one table.
# Cure: name the tool beside the number, or cut the boxes to 300 an image before either.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/lvis"
"$work/lvis/bin/pip" install -q --disable-pip-version-check --no-deps lvis==0.5.3
"$work/lvis/bin/pip" install -q --disable-pip-version-check numpy==1.23.5 pycocotools==2.0.7 matplotlib==3.7.5 \
  opencv-python-headless==4.8.1.78 2>"$work/pip" || { cat "$work/pip"; exit 1; }
python3 -m venv "$work/faster"
"$work/faster/bin/pip" install -q --disable-pip-version-check faster-coco-eval==1.8.0 numpy==2.4.6

cat >"$work/data.py" <<'PY'
"""One object of class 1, its perfect box with a low score, and boxes of class 2, which has no judgement."""
box = [10, 10, 50, 50]
truth = {
    "images": [
        {"id": 1, "width": 500, "height": 500, "neg_category_ids": [], "not_exhaustive_category_ids": []}
    ],
    "categories": [{"id": i, "name": f"class {i}", "frequency": "f"} for i in (1, 2)],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": box, "area": 2500, "segmentation": [], "iscrowd": 0}
    ],
}


def boxes(unjudged):
    right = {"image_id": 1, "category_id": 1, "bbox": box, "score": 0.5}
    return [right] + [{**right, "category_id": 2, "bbox": [i, 300, 20, 20], "score": 0.9} for i in range(unjudged)]
PY
cat >"$work/run_lvis.py" <<'PY'
import json
from importlib.metadata import version
from pathlib import Path

import data
from lvis import LVIS, LVISEval, LVISResults

truth = Path(__file__).with_name("truth.json")
truth.write_text(json.dumps(data.truth))
print("lvis", version("lvis"))
for unjudged, expected in (299, 1), (300, 0):
    objects = LVIS(str(truth))
    evaluation = LVISEval(objects, LVISResults(objects, data.boxes(unjudged)), "bbox")
    evaluation.run()
    ap = round(float(evaluation.results["AP"]), 3)
    print(f"  {unjudged} boxes of the unjudged class: AP {ap}")
    assert ap == expected, "the behaviour changed"
PY
cat >"$work/run_faster.py" <<'PY'
import data
import faster_coco_eval
from faster_coco_eval import COCO, COCOeval_faster

print("faster-coco-eval", faster_coco_eval.__version__, "with lvis_style")
for unjudged, expected in (299, 1), (300, 1):
    objects = COCO(data.truth)
    evaluation = COCOeval_faster(
        objects, objects.loadRes(data.boxes(unjudged)), "bbox", lvis_style=True, print_function=lambda *_: None
    )
    evaluation.params.maxDets = [300]
    evaluation.run()
    ap = round(float(evaluation.stats[0]), 3)
    print(f"  {unjudged} boxes of the unjudged class: AP {ap}")
    assert ap == expected, "the behaviour changed"
PY
"$work/lvis/bin/python" "$work/run_lvis.py" 2>"$work/log" || { cat "$work/log"; exit 1; }
"$work/faster/bin/python" "$work/run_faster.py"
