#!/usr/bin/env bash
# datasets 5.2.0 (Hugging Face), seen 2026-11-28.
# load_dataset("imagefolder") takes a class folder for a split as soon as "train", "test", "val", "dev" or "eval" is a
# word of its name. `bullet_train` is a class of ImageNet, `train` one of PASCAL VOC and COCO. That folder is loaded
# alone, every other class is dropped without a warning, and the column `label` is gone.
# Pre-training then uses the images of one class, and a linear probe has no labels.
# Cure: drop_labels=False with data_files={"train": "DIR/**"}, or other folder names.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HF_HOME="$work/cache" HF_HUB_OFFLINE=1
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check datasets==5.2.0 pillow==13.0.0
"$work/venv/bin/python" - "$work" <<'PY'
import sys
from pathlib import Path

import datasets
from PIL import Image

datasets.disable_progress_bars()
print("datasets", datasets.__version__)


def load(classes, **how):
    """The rows and columns of every split, of a folder with three images a class."""
    root = Path(sys.argv[1]) / "-".join(classes)
    for name in classes:
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(3):
            Image.new("RGB", (8, 8), (80 * i, 0, 0)).save(root / name / f"{i}.png")
    files = {"data_files": {"train": f"{root}/**"}} if how else {"data_dir": str(root)}
    loaded = datasets.load_dataset("imagefolder", **files, **how)
    return {split: (len(rows), rows.column_names) for split, rows in loaded.items()}


everything = {"train": (9, ["image", "label"])}
for classes, expected in (
    (["bicycle", "car", "tram"], everything),
    (["bicycle", "car", "train"], {"train": (3, ["image"])}),
    (["bicycle", "car", "bullet_train"], {"train": (3, ["image"])}),
    (["bicycle", "car", "test tube"], {"test": (3, ["image"])}),
):
    found = load(classes)
    print(f"{classes}: {found}")
    assert found == expected, "the behaviour changed"
cured = load(["bicycle", "car", "train"], drop_labels=False)
print(f"with data_files and drop_labels: {cured}")
assert cured == everything, "the cure does not work"
PY
