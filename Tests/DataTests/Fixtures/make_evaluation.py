"""Writes evaluation.json: what torchvision 0.26 makes of the images of augmentations.json in evaluation.

A case names its image, the size of the square, how it gets it (`resize`, as `moco --resize` has it: pixels of the shorter
side, the share of it that the square takes, or squash) and Pillow's filter. `rgb` is the base64 of the square's bytes.
"""

import base64
import json
import math
from pathlib import Path

import numpy as np
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

HERE = Path(__file__).parent
CASES = [
    ("landscape", 16, "20", "bicubic"),
    ("portrait", 16, "20", "bicubic"),
    ("square", 16, "16", "bicubic"),
    ("landscape", 18, "0.9", "bicubic"),
    ("landscape", 28, "0.875", "bilinear"),
    ("landscape", 16, "squash", "bilinear"),
    ("portrait", 24, "squash", "bicubic"),
    ("square", 24, "32", "bicubic"),  # of the size already, and resized all the same
]


def transform(size, resize, filter):
    mode = InterpolationMode(filter)
    if resize == "squash":
        return Resize((size, size), mode)
    # timm's rule for crop_pct
    side = math.floor(size / float(resize)) if "." in resize else int(resize)
    return Compose([Resize(side, mode), CenterCrop(size)])


images = json.loads((HERE / "augmentations.json").read_text())["images"]
out = []
for name, size, resize, filter in CASES:
    image = images[name]
    pixels = np.frombuffer(base64.b64decode(image["rgb"]), np.uint8).reshape(image["height"], image["width"], 3)
    result = transform(size, resize, filter)(Image.fromarray(pixels))
    rgb = base64.b64encode(np.asarray(result).tobytes()).decode()
    out.append({"image": name, "size": size, "resize": resize, "interpolation": filter, "rgb": rgb})
(HERE / "evaluation.json").write_text(json.dumps(out, indent=1) + "\n")
