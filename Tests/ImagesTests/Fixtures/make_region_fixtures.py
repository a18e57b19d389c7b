"""Writes regions.json: JPEG files of every sampling, baseline and progressive, with and without restart markers.

    python make_region_fixtures.py        (Pillow 12 or newer, numpy)

Their whole decode is the oracle for parts of them, so no pixels are stored. Pillow does not write 4:4:0 and 4:1:1:
these are 4:2:2 and 4:2:0 files with other sampling factors and sides in their header. An MCU holds as many blocks and
the picture as many MCUs, so they are sound files, of a picture whose blocks are shuffled.
"""

import base64
import io
import json
import pathlib
import struct

import numpy as np
from PIL import Image

cases = {}


def picture(width, height, channels):
    """Waves with some noise, so that no block is like its neighbour."""
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(width).normal(0, 12, (height, width, channels))
    planes = [127 + 100 * np.sin(0.09 * (c + 2) * x + 0.13 * (4 - c) * y + c) for c in range(channels)]
    return np.clip(np.stack(planes, -1) + noise, 0, 255).astype(np.uint8)


def jpeg(image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", quality=40, **options)
    return out.getvalue()


def reframed(data, width, height, factors):
    """The file with other sides and another sampling of its first component."""
    out, at = bytearray(data), 2
    while out[at + 1] not in (0xC0, 0xC2):
        at += 2 + struct.unpack_from(">H", out, at + 2)[0]
    struct.pack_into(">HH", out, at + 5, height, width)
    out[at + 11] = factors
    return bytes(out)


def add(name, data):
    Image.open(io.BytesIO(data)).load()
    cases[name] = base64.b64encode(data).decode()


for progressive in (False, True):
    for restart in (0, 3):
        options = {"progressive": progressive}
        kind = " progressive" if progressive else " baseline"
        if restart:
            options["restart_marker_blocks"] = restart
            kind += " restart"
        width, height = 96, 80
        rgb = Image.fromarray(picture(width, height, 3))
        files = [jpeg(rgb, subsampling=s, **options) for s in range(3)]
        for sampling, data in zip(("4:4:4", "4:2:2", "4:2:0"), files):
            add(sampling + kind, data)
        add("4:4:0" + kind, reframed(files[1], height, width, 0x12))
        add("4:1:1" + kind, reframed(files[2], 2 * width, height // 2, 0x41))
        # Sides that end inside a block, an MCU, and next to both.
        add("4:2:0 odd" + kind, jpeg(Image.fromarray(picture(67, 49, 3)), subsampling=2, **options))
        add("4:2:2 odd" + kind, jpeg(Image.fromarray(picture(65, 41, 3)), subsampling=1, **options))
        add("gray" + kind, jpeg(Image.fromarray(picture(61, 50, 1)[..., 0]), **options))
        add("cmyk" + kind, jpeg(Image.fromarray(picture(50, 43, 4), "CMYK"), **options))

path = pathlib.Path(__file__).parent / "regions.json"
path.write_text(json.dumps(cases, indent=1) + "\n")
print(len(cases), "cases,", path.stat().st_size, "bytes")
