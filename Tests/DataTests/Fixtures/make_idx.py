"""Writes idx.json: IDX files (base64), plain and packed by Python's gzip, and a gzip file of something else.

    python make_idx.py
"""

import base64
import gzip
import json
import pathlib
import struct

images = struct.pack(">IIII", 0x803, 3, 4, 5) + bytes(range(60))
labels = struct.pack(">II", 0x801, 3) + bytes([7, 0, 255])
files = {
    "one member": gzip.compress(b"moco " * 1000, mtime=0),
    "idx images": images,
    "idx images gz": gzip.compress(images, mtime=0),
    "idx labels": labels,
}
here = pathlib.Path(__file__).parent
packed = {name: base64.b64encode(content).decode() for name, content in files.items()}
(here / "idx.json").write_text(json.dumps(packed, indent=1) + "\n")
