"""Writes a synthetic split of Cityscapes and label maps for it: 500 of 1,024 × 2,048 pixels.

usage: make_maps.py FOLDER [--images N]

cityscapes/gtFine/val/city/ has label ids and instance ids: stripes of sky, building, vegetation and road with uneven
edges, poles, and about 30 ellipses of humans and vehicles. cityscapes/leftImg8bit/val/city/ has one small picture under
all names, because an evaluation reads no picture. results/ has the truth moved by a few pixels, with a part of it wrong.
"""

import argparse
import os

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 1024, 2048
# unlabeled, road, sidewalk, building, wall, pole, traffic light, traffic sign, vegetation, terrain, sky, caravan
STUFF = [0, 7, 8, 11, 12, 17, 19, 20, 21, 22, 23, 29]
# person, rider, car, truck, bus, train, motorcycle, bicycle
THINGS = [24, 25, 26, 27, 28, 31, 32, 33]

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--images", type=int, default=500)
options = parser.parse_args()


def scene(generator):
    labels = np.full((HEIGHT, WIDTH), 23, np.uint8)
    rows = np.arange(HEIGHT)[:, None]
    top = 150.0
    for label in generator.permutation([11, 21, 12, 22, 8, 7]):
        edge = top + np.cumsum(generator.normal(0, 2, WIDTH))
        labels[rows >= edge[None]] = label
        top += generator.uniform(60, 200)
    for _ in range(20):
        left, width = generator.integers(0, WIDTH - 60), generator.integers(4, 60)
        high, end = sorted(generator.integers(0, HEIGHT, 2))
        labels[high:end, left:left + width] = generator.choice(STUFF)
    instances = labels.astype(np.uint16)
    for number in range(30):
        label = generator.choice(THINGS)
        half = generator.integers(8, 160, 2)
        y, x = generator.integers(300, HEIGHT), generator.integers(0, WIDTH)
        y0, x0 = max(0, y - half[0]), max(0, x - half[1])
        box = (slice(y0, y + half[0]), slice(x0, x + half[1]))
        inside = ((np.arange(y0, min(HEIGHT, y + half[0]))[:, None] - y) / half[0]) ** 2 + ((np.arange(x0, min(WIDTH, x + half[1]))[None] - x) / half[1]) ** 2 < 1
        labels[box][inside] = label
        # One in ten is a group without a number.
        instances[box][inside] = label if number % 10 == 9 else label * 1000 + number
    return labels, instances


def prediction(labels, generator):
    guess = np.roll(labels, generator.integers(-6, 7, 2), (0, 1)).copy()
    for _ in range(40):
        y, x = generator.integers(0, HEIGHT), generator.integers(0, WIDTH)
        guess[y:y + generator.integers(5, 120), x:x + generator.integers(5, 200)] = generator.choice(STUFF + THINGS)
    return guess


truth = f"{options.folder}/cityscapes/gtFine/val/city"
pictures = f"{options.folder}/cityscapes/leftImg8bit/val/city"
results = f"{options.folder}/results"
for folder in (truth, pictures, results):
    os.makedirs(folder, exist_ok=True)
for number in range(options.images):
    generator = np.random.default_rng(number)
    name = f"city_000000_{number:06}"
    labels, instances = scene(generator)
    Image.fromarray(labels).save(f"{truth}/{name}_gtFine_labelIds.png")
    Image.fromarray(instances).save(f"{truth}/{name}_gtFine_instanceIds.png")
    Image.fromarray(np.zeros((2, 4, 3), np.uint8)).save(f"{pictures}/{name}_leftImg8bit.png")
    Image.fromarray(prediction(labels, generator)).save(f"{results}/{name}_prediction.png")
