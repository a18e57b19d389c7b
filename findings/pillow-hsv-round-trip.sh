#!/usr/bin/env bash
# Pillow 13.0.0 with numpy 2.4.6, seen 2026-11-28.
# convert("HSV").convert("RGB") is not the identity: the three HSV channels have 8 bits each, and about a third of the
# values of a random image come back changed, by up to 6 levels. Greys come back whole.
# torchvision's hue jitter of a Pillow image is this round trip with a shift in between: a drawn hue of 0.003 is cut to
# a shift of 0 levels and changes the image all the same. Its tensor path works in floats and does not. Views of SimCLR,
# MoCo and BYOL made by the one and by the other differ, and tests that compare them exactly cannot pass.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check pillow==13.0.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import colorsys

import numpy as np
import PIL
from PIL import Image

print("Pillow", PIL.__version__, "numpy", np.__version__)
noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
grey = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)


def changed(image, back):
    """The share of values that changed, and the largest change."""
    difference = np.abs(back.astype(int) - image)
    return (difference > 0).mean(), difference.max()


def in_floats(image):
    pixels = [colorsys.hsv_to_rgb(*colorsys.rgb_to_hsv(*pixel)) for pixel in image.reshape(-1, 3) / 255]
    return (np.array(pixels) * 255).round().astype(np.uint8).reshape(image.shape)


for name, image, expected in ("noise", noise, (0.3, 0.45, 6)), ("grey", grey, (0, 0, 0)):
    share, largest = changed(image, np.asarray(Image.fromarray(image).convert("HSV").convert("RGB")))
    print(f"{name}: Pillow changes {100 * share:.1f} % of the values, by up to {largest} levels; ", end="")
    print(f"in floats {100 * changed(image, in_floats(image))[0]:.1f} %")
    assert expected[0] <= share <= expected[1] and largest == expected[2], "the behaviour changed"
    assert changed(image, in_floats(image)) == (0, 0)
PY
