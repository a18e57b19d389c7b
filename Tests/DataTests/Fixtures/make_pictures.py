"""Writes pictures.json: twelve small JPEG files of different shapes, one of them gray, for the loader's tests."""

import base64
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

SIZES = [(48, 36), (36, 48), (32, 32), (64, 24), (24, 64), (40, 40), (33, 57), (57, 33), (96, 80), (20, 20), (32, 32), (50, 41)]


def picture(number, width, height):
    random = np.random.RandomState(number)
    x, y = np.meshgrid(np.linspace(0, 6, width), np.linspace(0, 6, height))
    waves = [128 + 100 * np.sin(random.uniform(0.5, 2) * x + random.uniform(0.5, 2) * y + c) for c in range(3)]
    image = Image.fromarray(np.stack(waves, 2).clip(0, 255).astype(np.uint8))
    if number == 5:
        image = image.convert("L")
    file = io.BytesIO()
    image.save(file, format="JPEG", quality=85)
    return base64.b64encode(file.getvalue()).decode()


def main():
    pictures = {f"{number:02}.jpg": picture(number, *size) for number, size in enumerate(SIZES)}
    Path(__file__).with_name("pictures.json").write_text(json.dumps(pictures, indent=1) + "\n")


main()
