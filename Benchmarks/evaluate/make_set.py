"""Writes a synthetic test set: 5,000 images, 80 categories, 100 detections an image.

usage: make_set.py FOLDER [--images N]

truth.json has about 7 objects an image, as COCO has, a few of them crowds; boxes.json and masks.json have detections that
are moved objects, or free ones. Masks are ellipses: polygons in the truth, run lengths in the results.
"""

import argparse
import json

import numpy as np
from pycocotools import mask as coco_mask

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--images", type=int, default=5000)
arguments = parser.parse_args()

rng = np.random.default_rng(20)
angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)


def outline(box):
    x, y, w, h = box
    points = np.stack([x + w / 2 + w / 2 * np.cos(angles), y + h / 2 + h / 2 * np.sin(angles)], 1)
    return [round(float(v), 2) for v in points.reshape(-1)]


def moved(box, width, height):
    """The box with its corners moved a little, held inside the image."""
    x, y, w, h = np.array(box) + rng.normal(0, rng.choice([0.03, 0.1, 0.25]), 4) * [box[2], box[3], box[2], box[3]]
    w, h = max(w, 2.0), max(h, 2.0)
    x, y = min(max(x, 0.0), width - 2.0), min(max(y, 0.0), height - 2.0)
    return [round(float(v), 2) for v in (x, y, min(w, width - x), min(h, height - y))]


def free(width, height):
    side = float(np.exp(rng.uniform(np.log(8), np.log(350))))
    ratio = float(np.exp(rng.normal(0, 0.4)))
    w, h = min(side * ratio, width - 1.0), min(side / ratio, height - 1.0)
    return [round(v, 2) for v in (rng.uniform(0, width - w), rng.uniform(0, height - h), w, h)]


images, annotations, boxes, masks = [], [], [], []
shares = rng.dirichlet(np.full(80, 0.6))
for image_id in range(1, arguments.images + 1):
    width, height = [(640, 480), (480, 640), (640, 427), (500, 375)][rng.integers(4)]
    images.append({"id": image_id, "width": width, "height": height, "file_name": f"{image_id:012}.jpg"})
    objects = []
    for _ in range(rng.poisson(7.3)):
        box, category = free(width, height), int(rng.choice(80, p=shares)) + 1
        polygon = outline(box)
        runs = coco_mask.frPyObjects([polygon], height, width)[0]
        area = int(coco_mask.area(runs))
        is_crowd = int(rng.random() < 0.02)
        if is_crowd:
            segmentation = {"size": [height, width], "counts": runs["counts"].decode()}
        else:
            segmentation = [polygon]
        annotations.append(
            {"id": len(annotations) + 1, "image_id": image_id, "category_id": category, "bbox": box, "area": area,
             "iscrowd": is_crowd, "segmentation": segmentation})
        objects.append((box, category))
    for _ in range(100):
        if objects and rng.random() < 0.5:
            box, category = objects[rng.integers(len(objects))]
            box, score = moved(box, width, height), float(rng.beta(4, 2))
            if rng.random() < 0.1:
                category = int(rng.integers(80)) + 1
        else:
            box, category, score = free(width, height), int(rng.choice(80, p=shares)) + 1, float(rng.beta(1, 4))
        result = {"image_id": image_id, "category_id": category, "score": round(score, 5)}
        boxes.append({**result, "bbox": box})
        runs = coco_mask.frPyObjects([outline(box)], height, width)[0]
        masks.append({**result, "segmentation": {"size": [height, width], "counts": runs["counts"].decode()}})

categories = [{"id": i, "name": f"class {i}"} for i in range(1, 81)]
for name, value in [
    ("truth", {"images": images, "categories": categories, "annotations": annotations}),
    ("boxes", boxes),
    ("masks", masks),
]:
    with open(f"{arguments.folder}/{name}.json", "w") as file:
        json.dump(value, file)
