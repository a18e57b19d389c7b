#!/usr/bin/env python3
"""Masks resized by Pillow's NEAREST and mirrored, as text: masks.json. Needs Pillow and numpy."""

import json
import os

import numpy as np
import PIL
from PIL import Image

cases = []
for height, width, new_height, new_width in [(5, 7, 9, 13), (48, 64, 31, 41), (13, 29, 13, 50), (37, 10, 100, 27), (33, 47, 11, 16)]:
    generator = np.random.default_rng(height * 1000 + width)
    mask = (generator.random((height, width)) < 0.4).astype(np.uint8)
    for flip in (False, True):
        resized = np.asarray(Image.fromarray(mask).resize((new_width, new_height), Image.NEAREST))
        if flip:
            resized = resized[:, ::-1]
        cases.append({
            "mask": ["".join(map(str, row)) for row in mask.tolist()],
            "flip": flip,
            "resized": ["".join(map(str, row)) for row in resized.tolist()],
        })

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "masks.json")
with open(path, "w") as file:
    json.dump({"pillow": PIL.__version__, "cases": cases}, file, indent=0)
