"""Cuts the labelled boxes out of a detection set, into class folders for training and for testing."""

import io
import json
import random
import tarfile
import xml.etree.ElementTree
from pathlib import Path

from PIL import Image

SMALLEST = 16  # pixels of a box's side


def read(path):
    """The images of a tar of PASCAL VOC's or COCO's layout, each with its boxes: (class, left, top, right, bottom)."""
    with tarfile.open(path) as tar:
        files = {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}
    images = {Path(name).name: name for name in files if name.lower().endswith((".jpg", ".jpeg", ".png"))}
    boxes = {}
    for name, text in files.items():
        if name.endswith(".xml"):
            page = xml.etree.ElementTree.fromstring(text)
            stem = Path(name).stem
            own = next((image for image in images if Path(image).stem == stem), None)
            for thing in page.iter("object") if own else ():
                corners = [float(thing.find(f"bndbox/{side}").text) for side in ("xmin", "ymin", "xmax", "ymax")]
                boxes.setdefault(own, []).append((thing.find("name").text, *corners))
        elif name.endswith(".json"):
            page = json.loads(text)
            if not isinstance(page, dict) or "annotations" not in page:
                continue
            names = {image["id"]: Path(image["file_name"]).name for image in page["images"]}
            kinds = {kind["id"]: kind["name"] for kind in page["categories"]}
            for thing in page["annotations"]:
                x, y, width, height = thing["bbox"]
                corners = (x, y, x + width, y + height)
                boxes.setdefault(names[thing["image_id"]], []).append((kinds[thing["category_id"]], *corners))
    return {name: (files[images[name]], sorted(set(found))) for name, found in sorted(boxes.items()) if name in images}


def background(size, found, rng):
    """A box of the same shape as another one that touches none, or None."""
    _, left, top, right, bottom = rng.choice(found)
    width, height = right - left, bottom - top
    for _ in range(50):
        x, y = rng.uniform(0, max(0, size[0] - width)), rng.uniform(0, max(0, size[1] - height))
        if all(x + width < l or x > r or y + height < t or y > b for _, l, t, r, b in found):
            return ("background", x, y, x + width, y + height)
    return None


def cut(path, folder, per_class=400, seed=1):
    """Every fourth image is for testing. At most `per_class` crops of a class in each part. A set of one class gets
    crops of the background as a second."""
    rng = random.Random(seed)
    found = read(path)
    one_class = len({box[0] for _, boxes in found.values() for box in boxes}) == 1
    crops = {}
    for number, (name, (data, boxes)) in enumerate(found.items()):
        image = Image.open(io.BytesIO(data)).convert("RGB")
        part = "test" if number % 4 == 3 else "train"
        others = [background(image.size, boxes, rng) for _ in boxes] if one_class else []
        for kind, left, top, right, bottom in boxes + [box for box in others if box]:
            margin = 0.1 * max(right - left, bottom - top)
            box = (max(0, left - margin), max(0, top - margin), min(image.width, right + margin),
                   min(image.height, bottom + margin))
            if min(box[2] - box[0], box[3] - box[1]) >= SMALLEST:
                crops.setdefault((part, kind), []).append((f"{Path(name).stem}-{len(crops)}", image, box))
    counts = {}
    for (part, kind), all_of_it in sorted(crops.items()):
        place = Path(folder, part, kind.replace("/", "-"))
        place.mkdir(parents=True, exist_ok=True)
        chosen = rng.sample(all_of_it, min(per_class, len(all_of_it)))
        for number, (name, image, box) in enumerate(chosen):
            image.crop(tuple(round(side) for side in box)).save(place / f"{name}-{number}.png")
        counts[part, kind] = len(chosen)
    return counts
