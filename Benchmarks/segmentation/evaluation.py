"""Compares `moco evaluate --metric cityscapes` on label maps with cityscapesScripts 2.3.0, in turns, and their numbers.

The set is made once: maps of 1024×2048 label ids of rectangles over stripes, 30 instances each, and predictions in which
rectangles are moved a little and a tenth of the stripes have another label.

    python3 -m venv VENV && VENV/bin/pip install cityscapesScripts==2.3.0
    VENV/bin/python Benchmarks/segmentation/evaluation.py MOCO FOLDER [--images 500] [--turns 3] [--json]

FOLDER gets the set. Run it on an idle machine.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

HEIGHT, WIDTH, INSTANCES = 1024, 2048, 30
STUFF = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23]
THINGS = [24, 25, 26, 27, 28, 31, 32, 33]

SCRIPTS = """
import json, sys
import numpy
numpy.in1d = getattr(numpy, "in1d", numpy.isin)  # gone from numpy by 2.4, and still in use
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as evaluation
evaluation.args.quiet = True
evaluation.args.JSONOutput = False
truth, found = json.load(sys.stdin)
result = evaluation.evaluateImgLists(found, truth, evaluation.args)
print("RESULT" + json.dumps({
    "mIoU": result["averageScoreClasses"], "iIoU": result["averageScoreInstClasses"],
    "IoU category": result["averageScoreCategories"], "iIoU category": result["averageScoreInstCategories"]}))
"""


def make_set(folder, count):
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(11)
    truth, found = folder / "gtFine/val/synthetic", folder / "found"
    pictures = folder / "leftImg8bit/val/synthetic"
    for path in (truth, found, pictures):
        path.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        stem = f"synthetic_{number:06}_000019"
        if (found / f"{stem}.png").exists():
            continue
        stripes = np.sort(rng.integers(0, HEIGHT, 12))
        rows = np.array(STUFF)[np.searchsorted(stripes, np.arange(HEIGHT)) % len(STUFF)]
        labels = np.repeat(rows[:, None], WIDTH, 1).astype(np.uint8)
        labels[:20] = 0  # without a class
        prediction = np.where(labels == 0, 7, labels).astype(np.uint8)
        for stripe in stripes[rng.random(len(stripes)) < 0.1]:
            prediction[stripe : stripe + 40] = rng.choice(STUFF)
        instances = labels.astype(np.uint16)
        for instance in range(INSTANCES):
            label = int(rng.choice(THINGS))
            h, w = rng.integers(12, 260), rng.integers(12, 260)
            y, x = rng.integers(20, HEIGHT - h), rng.integers(0, WIDTH - w)
            labels[y : y + h, x : x + w] = label
            instances[y : y + h, x : x + w] = label * 1000 + instance
            dy, dx = rng.integers(-8, 9, 2)
            prediction[max(0, y + dy) : y + dy + h, max(0, x + dx) : x + dx + w] = label
        Image.fromarray(labels).save(truth / f"{stem}_gtFine_labelIds.png")
        Image.fromarray(instances).save(truth / f"{stem}_gtFine_instanceIds.png")
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(pictures / f"{stem}_leftImg8bit.png")
        Image.fromarray(prediction).save(found / f"{stem}.png")


def run_scripts(folder, count):
    truth = [str(folder / f"gtFine/val/synthetic/synthetic_{n:06}_000019_gtFine_labelIds.png") for n in range(count)]
    found = [str(folder / f"found/synthetic_{n:06}_000019.png") for n in range(count)]
    output = subprocess.run([sys.executable, "-c", SCRIPTS], input=json.dumps([truth, found]), text=True,
                            capture_output=True, check=True).stdout
    return json.loads(output[output.index("RESULT") + 6 :])


def run_moco(moco, folder):
    output = subprocess.run([moco, "evaluate", f"{folder}/:val", str(folder / "found"), "--metric", "cityscapes", "--json"],
                            text=True, capture_output=True, check=True).stdout
    return {number["name"]: number["value"] for number in json.loads(output)["numbers"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moco")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    folder = arguments.folder / str(arguments.images)
    make_set(folder, arguments.images)
    seconds, numbers = {"cityscapesScripts": [], "moco": []}, {}
    for _ in range(arguments.turns):
        for name, run in (("moco", lambda: run_moco(arguments.moco, folder)),
                          ("cityscapesScripts", lambda: run_scripts(folder, arguments.images))):
            start = time.monotonic()
            numbers[name] = run()
            seconds[name].append(time.monotonic() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    difference = max(abs(numbers["moco"][name] - value) for name, value in numbers["cityscapesScripts"].items())
    if arguments.json:
        print(json.dumps({"seconds": seconds, "numbers": numbers, "largest difference": difference}))
        return
    for name, value in medians.items():
        print(f"{name:<18} {value:8.2f} s  {value / arguments.images * 1000:8.1f} ms an image")
    print(f"ratio {medians['cityscapesScripts'] / medians['moco']:.1f}, largest difference {difference:.1e}")
    for name, value in numbers["cityscapesScripts"].items():
        print(f"  {name:<14} {value:.6f} {numbers['moco'][name]:.6f}")


if __name__ == "__main__":
    main()
