#!/usr/bin/env python3
"""Masks as PNG files of every kind, and crops of a scaled picture and its mask: segmentation.json. Needs Pillow and numpy."""

import base64
import io
import json
import os
import struct
import zlib

import numpy as np
import PIL
from PIL import Image


def text(raw):
    return base64.b64encode(raw).decode()


def png(image, **options):
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def paeth(left, above, corner):
    guess = left + above - corner
    return min((abs(guess - left), 0, left), (abs(guess - above), 1, above), (abs(guess - corner), 2, corner))[2]


def filtered(numbers, depth):
    """A gray PNG of 8 or 16 bits whose rows take the five filters in turns, in two chunks of data."""
    rows = [bytes(row) if depth == 8 else b"".join(struct.pack(">H", number) for number in row) for row in numbers.tolist()]
    step, raw = depth // 8, b""
    for y, row in enumerate(rows):
        above = rows[y - 1] if y else bytes(len(row))
        guesses = []
        for x in range(len(row)):
            left, corner = (row[x - step], above[x - step]) if x >= step else (0, 0)
            guesses.append([0, left, above[x], (left + above[x]) // 2, paeth(left, above[x], corner)][y % 5])
        raw += bytes([y % 5]) + bytes((value - guess) % 256 for value, guess in zip(row, guesses))
    data = zlib.compress(raw)
    header = struct.pack(">IIBBBBB", numbers.shape[1], numbers.shape[0], depth, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data[:20]) + chunk(b"IDAT", data[20:]) + chunk(b"IEND", b"")


def interlaced(numbers, palette):
    """A palette PNG of 8 bits in the seven passes of Adam7, which Pillow does not write."""
    height, width = numbers.shape
    raw = b""
    for top, left, down, across in [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]:
        for row in numbers[top::down, left::across]:
            if row.size:
                raw += b"\0" + row.tobytes()

    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"PLTE", bytes(palette)) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


generator = np.random.default_rng(7)
masks = []


def add(name, image_or_bytes, numbers, **options):
    raw = image_or_bytes if isinstance(image_or_bytes, bytes) else png(image_or_bytes, **options)
    masks.append({"name": name, "png": text(raw), "height": numbers.shape[0], "width": numbers.shape[1], "labels": text(numbers.astype(np.uint8).tobytes())})


for bits in (1, 2, 4, 8):
    numbers = generator.integers(0, 2 ** bits, (9, 13)).astype(np.uint8)
    image = Image.fromarray(numbers, "P")
    image.putpalette([(37 * place + 11) % 256 for place in range(3 * 2 ** bits)])
    add(f"palette of {bits} bits", image, numbers, bits=bits)
numbers = generator.integers(0, 256, (11, 8)).astype(np.uint8)
add("gray of 8 bits", Image.fromarray(numbers), numbers)
add("gray of 16 bits", Image.fromarray(numbers.astype(np.uint16)), numbers)
numbers = generator.integers(0, 2, (5, 10)).astype(np.uint8)
add("gray of 1 bit", Image.fromarray(numbers * 255).convert("1"), numbers)
numbers = generator.integers(0, 21, (10, 17)).astype(np.uint8)
add("interlaced palette", interlaced(numbers, [(91 * place) % 256 for place in range(63)]), numbers)

# Patches, so that the filters guess right for long: readers have a short way there.
numbers = np.kron(generator.integers(0, 200, (7, 6)), np.ones((4, 23), int)).astype(np.uint8)
numbers[9, 40:45] = 3
for depth in (8, 16):
    raw = filtered(numbers, depth)
    assert (np.asarray(Image.open(io.BytesIO(raw))) == numbers).all()
    add(f"filters of {depth} bits", raw, numbers)

height, width = 24, 33
picture = generator.integers(0, 256, (height, width, 3)).astype(np.uint8)
labels = generator.integers(0, 21, (height, width)).astype(np.uint8)
fill = (124, 116, 104)  # the mean of ImageNet, rounded
crops = []
for new_height, new_width, top, left, size, flip in [
    (12, 17, 0, 0, 20, False),
    (12, 17, 0, 0, 20, True),
    (24, 33, 3, 12, 20, False),
    (36, 50, 9, 30, 20, True),
    (47, 66, 27, 0, 20, False),
    (18, 25, 0, 4, 20, True),
    (29, 15, 5, 0, 20, False),
    (48, 66, 0, 0, 13, True),
]:
    scaled = np.asarray(Image.fromarray(picture).resize((new_width, new_height), Image.BILINEAR))
    classes = np.asarray(Image.fromarray(labels).resize((new_width, new_height), Image.NEAREST))
    high, wide = max(size, new_height), max(size, new_width)
    padded = np.empty((high, wide, 3), np.uint8)
    padded[:] = fill
    padded[:new_height, :new_width] = scaled
    ignored = np.full((high, wide), 255, np.uint8)
    ignored[:new_height, :new_width] = classes
    image, mask = padded[top:top + size, left:left + size], ignored[top:top + size, left:left + size]
    if flip:
        image, mask = image[:, ::-1], mask[:, ::-1]
    crops.append({
        "height": new_height, "width": new_width, "top": top, "left": left, "size": size, "flip": flip,
        "image": text(image.tobytes()), "labels": text(mask.tobytes()),
    })

path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "segmentation.json")
with open(path, "w") as file:
    json.dump({
        "pillow": PIL.__version__,
        "masks": masks,
        "picture": {"height": height, "width": width, "image": text(picture.tobytes()), "labels": text(labels.tobytes())},
        "crops": crops,
    }, file, indent=0)
