"""Writes gzip.json: gzip files (base64), written by Python's gzip.

    python make_gzip.py
"""

import base64
import gzip
import json
import pathlib

plain = b"moco " * 1000
member = gzip.compress(plain, mtime=0)
files = {
    "plain": plain,
    "one member": member,
    "two members": member + gzip.compress(b"!", mtime=0),
    "zero padding": member + b"\0" * 5,
    "stray bytes": member + b"stray",
    "empty member": gzip.compress(b"", mtime=0),
}
here = pathlib.Path(__file__).parent
packed = {name: base64.b64encode(content).decode() for name, content in files.items()}
(here / "gzip.json").write_text(json.dumps(packed, indent=1) + "\n")
