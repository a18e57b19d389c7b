#!/usr/bin/env bash
# webdataset 1.0.2, seen 2026-11-28.
# A sample's key ends at the FIRST dot of the file name. Files whose names have a date, a version or a decimal number
# share a key, and those that stand together in the tar become one sample: cat.jpg, cat.1.jpg and cat.2.jpg with their
# labels are one sample, and the usual to_tuple("jpg", "cls") yields the first image and drops the other two without a
# warning. Where every name has a dot, three images are one sample without any column "jpg".
# A training run on such a shard uses a part of its images only.
# Cure: names without dots before the extension.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check webdataset==1.0.2 numpy==2.4.6
"$work/venv/bin/python" - "$work" <<'PY'
import io
import sys
import tarfile
from importlib.metadata import version

import webdataset as wds

path = f"{sys.argv[1]}/shard.tar"


def shard(names):
    """A dataset over a tar that holds NAME.jpg and NAME.cls for every name."""
    with tarfile.open(path, "w") as tar:
        for label, name in enumerate(names):
            for extension, data in ("jpg", f"image {label}"), ("cls", str(label)):
                entry = tarfile.TarInfo(f"{name}.{extension}")
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data.encode()))
    return wds.WebDataset(path, shardshuffle=False)


print("webdataset", version("webdataset"))
for names, expected in (
    (["cat-0", "cat-1", "cat-2"], [(b"image 0", b"0"), (b"image 1", b"1"), (b"image 2", b"2")]),
    (["cat", "cat.1", "cat.2"], [(b"image 0", b"0")]),
):
    tuples = list(shard(names).to_tuple("jpg", "cls"))
    print(f"{names}: {len(tuples)} of 3 images: {tuples}")
    assert tuples == expected, "the behaviour changed"

names = ["2024.05.01", "2024.05.02", "2024.06.01"]
columns = [[key for key in sample if not key.startswith("__")] for sample in shard(names)]
print(f"{names}: {len(columns)} sample, columns {columns}")
merged = [["05.01.jpg", "05.01.cls", "05.02.jpg", "05.02.cls", "06.01.jpg", "06.01.cls"]]
assert columns == merged, "the behaviour changed"
PY
