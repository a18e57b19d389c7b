#!/usr/bin/env bash
# Pillow 13.0.0, seen 2026-11-29.
# Image.Resampling.BICUBIC is two filters. resize() takes Keys' cubic with a = -0.5; transform() and rotate() take a = -1,
# which overshoots about twice as far: moved by half a pixel, an impulse of 1 leaves 0.5625 and -0.0625 in one and 0.625
# and -0.125 in the other. Bytes are rounded by resize() and truncated by transform(): half of 255 is 128 and 127.
# RandAugment's turns, shears and shifts go through transform() and its crops through resize(): who writes them again with one
# bicubic function gets one of them wrong, and pictures that are turned many times grow darker.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check pillow==13.0.0
cd "$work"
"$work/venv/bin/python" - <<'PY'
import PIL
from PIL import Image

print("Pillow", PIL.__version__)
HALF = (1, 0, 0.5, 0, 1, 0)  # output x is input x + 0.5


def row(image):
    return [round(image.getpixel((x, 4)), 4) for x in range(8)]


def moved(image, resampling):
    """By half a pixel, by the same filter's name: in a transform, and in a resize of a box."""
    transformed = image.transform(image.size, Image.Transform.AFFINE, HALF, resampling)
    resized = image.resize((8, 9), resampling, box=(0.5, 0, 8.5, 9))
    return row(transformed), row(resized)


impulse = Image.new("F", (9, 9), 0.0)
impulse.putpixel((4, 4), 1.0)
transformed, resized = moved(impulse, Image.Resampling.BICUBIC)
print("bicubic, transform:", transformed)
print("bicubic, resize:   ", resized)
assert transformed[2:6] == [-0.125, 0.625, 0.625, -0.125], transformed
assert resized[2:6] == [-0.0625, 0.5625, 0.5625, -0.0625], resized

bright = Image.new("L", (9, 9), 0)
bright.putpixel((4, 4), 255)
transformed, resized = moved(bright, Image.Resampling.BILINEAR)
print("bilinear of bytes, transform:", transformed)
print("bilinear of bytes, resize:   ", resized)
assert transformed[3:5] == [127, 127] and resized[3:5] == [128, 128]
PY
