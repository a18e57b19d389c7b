#!/usr/bin/env bash
# datasets 5.2.0 (Hugging Face) with pyarrow 26.0.1, seen 2026-11-28.
# Dataset.to_parquet of an image folder writes no images. Every row holds `bytes: null` and the absolute path of the
# file on the machine that wrote it. The Parquet file works where it was made; on another machine, or after the folder
# moved, its images cannot be read.
# A data set copied to a cluster for pre-training in this form fails in the first batch there.
# Cure: embed the images by datasets.table.embed_table_storage before writing, as below.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HF_HOME="$work/cache" HF_HUB_OFFLINE=1
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check datasets==5.2.0 pyarrow==26.0.1 pillow==13.0.0
"$work/venv/bin/python" - "$work" <<'PY'
import sys
from pathlib import Path

import datasets
import numpy as np
import pyarrow
import pyarrow.parquet
from datasets.table import embed_table_storage
from PIL import Image

datasets.disable_progress_bars()
print("datasets", datasets.__version__, "pyarrow", pyarrow.__version__)
work = Path(sys.argv[1])
noise = np.random.default_rng(0)
for name in "cat", "dog":
    (work / "images" / name).mkdir(parents=True)
    Image.fromarray(noise.integers(0, 256, (64, 64, 3), np.uint8)).save(work / "images" / name / "0.png")
images = datasets.load_dataset("imagefolder", data_dir=str(work / "images"))["train"]


def is_readable(path):
    try:
        return len([row["image"].size for row in datasets.load_dataset("parquet", data_files=str(path))["train"]]) == 2
    except FileNotFoundError as error:
        print(f"  FileNotFoundError: {str(error).replace(str(work), 'DIR')}")
        return False


images.to_parquet(work / "plain.parquet")
row = pyarrow.parquet.read_table(work / "plain.parquet")["image"][0].as_py()
print(f"to_parquet: bytes {row['bytes']}, path {row['path'].replace(str(work), 'DIR')}")
assert row["bytes"] is None and Path(row["path"]).is_absolute(), "the behaviour changed"

table = images.with_format("arrow")
table.map(embed_table_storage, batched=True).with_format(None).to_parquet(work / "embedded.parquet")
for name in "plain", "embedded":
    print(f"{name}: {(work / name).with_suffix('.parquet').stat().st_size} bytes; images are 2 × 12 KB")
(work / "images").rename(work / "moved")
readable = {name: is_readable(work / f"{name}.parquet") for name in ("plain", "embedded")}
print(f"readable after the folder moved: {readable}")
assert readable == {"plain": False, "embedded": True}, "the behaviour changed"
PY
