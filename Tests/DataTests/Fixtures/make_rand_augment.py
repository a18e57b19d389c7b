"""RandAugment's operations as timm 1.0.31 does them with Pillow 12: rand_augment.json.

Each case is an operation at a magnitude in a direction: timm's name, its argument, and the picture that comes of it.
"""

import base64
import json
import random
from pathlib import Path
from unittest import mock

import numpy as np
import PIL
import timm
from PIL import Image
from timm.data import auto_augment

HEIGHT, WIDTH = 16, 20
FILL = (124, 116, 104)  # ImageNet's mean as timm rounds it


def pictures():
    """One with all kinds of levels, and one with four levels a channel, one of them alone."""
    row, column, channel = np.meshgrid(np.arange(HEIGHT), np.arange(WIDTH), np.arange(3), indexing="ij")
    busy = (37 * row * row + 11 * column * (channel + 2) + 90 * channel + 5 * row * column) % 197 + 19
    flat = np.where((row + column) % 5 == 0, 40 + 30 * channel, 200)
    flat = np.where(row * column % 7 == 3, 90, flat)
    flat[..., 2] = 77
    return {"busy": busy.astype(np.uint8), "flat": flat.astype(np.uint8)}


def encoded(pixels):
    return base64.b64encode(np.asarray(pixels, np.uint8).tobytes()).decode()


def main():
    cases = []
    made = pictures()
    for picture, name, magnitude, negative, filter in cases_wanted():
        operation = auto_augment.AugmentOp(
            name, prob=1.0, magnitude=magnitude, hparams={"img_mean": FILL, "interpolation": filter})
        # 0.9 > 0.5 negates.
        with mock.patch.object(random, "random", lambda: 0.9 if negative else 0.1):
            argument = operation.level_fn(magnitude, operation.hparams) if operation.level_fn else ()
            result = operation(Image.fromarray(made[picture]))
        cases.append({
            "picture": picture, "name": name, "magnitude": magnitude, "negative": negative,
            "filter": "bicubic" if filter == Image.Resampling.BICUBIC else "bilinear",
            "argument": list(argument), "pixels": encoded(result)})
    file = {
        "timm": timm.__version__, "pillow": PIL.__version__, "height": HEIGHT, "width": WIDTH, "fill": list(FILL),
        "operations": auto_augment._RAND_INCREASING_TRANSFORMS,
        "pictures": {name: encoded(pixels) for name, pixels in made.items()}, "cases": cases}
    Path(__file__).with_name("rand_augment.json").write_text(json.dumps(file, indent=1) + "\n")


def cases_wanted():
    bicubic, bilinear = Image.Resampling.BICUBIC, Image.Resampling.BILINEAR
    for name in auto_augment._RAND_INCREASING_TRANSFORMS:
        if auto_augment.LEVEL_TO_ARG[name] is None:
            for picture in ["busy", "flat"]:
                yield picture, name, 9, False, bicubic
        elif name in ["PosterizeIncreasing", "SolarizeIncreasing", "SolarizeAdd"]:
            for magnitude in [0, 4.7, 9.2, 10]:
                yield "busy", name, magnitude, False, bicubic
        else:
            for magnitude, negative in [(0, False), (3.3, True), (9.2, False), (10, True)]:
                yield "busy", name, magnitude, negative, bicubic
            if name in ["Rotate", "ShearX", "ShearY", "TranslateXRel", "TranslateYRel"]:
                yield "busy", name, 8.6, True, bilinear


if __name__ == "__main__":
    main()
