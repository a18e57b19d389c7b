"""moco check against Pillow, one core each, in turns: see run."""

import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile

import numpy as np
import PIL
from PIL import Image

MODES = {
    "png": ("RGB", "png", {}), "png gray": ("L", "png", {}), "png palette": ("P", "png", {}),
    "png 16": ("16", "png", {}), "tiff": ("RGB", "tif", {}), "tiff lzw": ("RGB", "tif", {"compression": "tiff_lzw"}),
    "tiff deflate": ("RGB", "tif", {"compression": "tiff_adobe_deflate"}), "tiff 16": ("16", "tif", {}),
    "bmp": ("RGB", "bmp", {}), "bmp palette": ("P", "bmp", {}),
}

# The other program: every image of a folder, its size and its mean, as moco check finds them.
PEER = """
import pathlib, sys
from PIL import Image, ImageStat
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    with Image.open(path) as image:
        image = image.convert("RGB")
        ImageStat.Stat(image).mean
"""

# The same without the mean: decoding alone.
DECODER = PEER.replace("        ImageStat.Stat(image).mean\n", "")


def converted(image, mode):
    if mode == "P":
        return image.quantize(256)
    if mode == "16":
        return Image.fromarray(np.array(image.convert("L")).astype(np.uint16) * 257)
    return image.convert(mode)


def seconds(command):
    """Processor time of a program."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    moco, data, rounds, count = sys.argv[1], pathlib.Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    work = pathlib.Path(tempfile.mkdtemp())
    try:
        sources = sorted(path for path in data.rglob("*") if path.is_file())[:count]
        print(f"{len(sources)} images, Pillow {PIL.__version__}, medians of {rounds} rounds, ms of processor time an image")
        print(f"{'':14}{'check':>9}{'Pillow, mean':>14}{'Pillow':>9}{'against mean':>14}{'against Pillow':>16}")
        for name, (mode, ending, options) in MODES.items():
            folder, single = work / name, work / (name + " one")
            folder.mkdir()
            single.mkdir()
            for number, path in enumerate(sources):
                converted(Image.open(path).convert("RGB"), mode).save(folder / f"{number:04}.{ending}", **options)
            shutil.copy(folder / f"0000.{ending}", single)
            commands = [[moco, "check", "--workers", "1"], [sys.executable, "-c", PEER], [sys.executable, "-c", DECODER]]
            times = [[] for _ in commands]
            for _ in range(rounds):
                for found, command in zip(times, commands):
                    found.append(seconds(command + [folder]) - seconds(command + [single]))
            ours, mean, alone = (1e3 * statistics.median(t) / (len(sources) - 1) for t in times)
            print(f"{name:14}{ours:9.3f}{mean:14.3f}{alone:9.3f}{mean / ours:12.2f} x{alone / ours:14.2f} x", flush=True)
            shutil.rmtree(folder)
    finally:
        shutil.rmtree(work)


main()
