#!/usr/bin/env bash
# Pillow 13.0.0 with numpy 2.4.6, seen 2026-11-28.
# convert("L") and convert("RGB") of a 16-bit grey PNG do not scale: every value above 255 becomes 255, without an
# error or a warning. A medical or satellite image that uses its 16 bits turns white almost everywhere.
# The usual loader of an image folder, `Image.open(path).convert("RGB")`, does this to every such file: an encoder is
# pre-trained and evaluated on white squares.
# Cure: scale before converting, as below.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check pillow==13.0.0 numpy==2.4.6
"$work/venv/bin/python" - "$work" <<'PY'
import sys

import numpy as np
import PIL
from PIL import Image

print("Pillow", PIL.__version__, "numpy", np.__version__)
ramp = np.linspace(0, 65535, 8).astype(np.uint16)
path = f"{sys.argv[1]}/ramp.png"
Image.fromarray(np.tile(ramp, (8, 1))).save(path)
image = Image.open(path)
print(f"PNG: mode {image.mode}, a row {np.asarray(image)[0].tolist()}")
assert image.mode == "I;16" and (np.asarray(image)[0] == ramp).all()

for mode in "L", "RGB":
    row = np.asarray(image.convert(mode))[0].reshape(8, -1)[:, 0].tolist()
    print(f"convert({mode!r}): {row}")
    assert row == [0] + [255] * 7, "the behaviour changed"
scaled = (np.asarray(image) / 257).round().astype(np.uint8)
print(f"scaled by hand: {scaled[0].tolist()}")
PY
