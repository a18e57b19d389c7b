"""Makes wids.json: shards by webdataset, and the index that wids itself makes of them.

    pip install webdataset==1.0.2 wids==0.1.11 torch
    python3 make_wids.py

It has the index's text, and the shards in base64.
"""
import base64, json, os, struct, subprocess, sys, tempfile, zlib

import webdataset


def png(red, green, blue, side=8):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes([red, green, blue]) * side) * side
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wids.json")
os.chdir(tempfile.mkdtemp())
sample = 0
shards = {"train-000.tar": 3, "train-001.tar": 2, "train-002.tar": 4}
for name, count in shards.items():
    with webdataset.TarWriter(name) as tar:
        for _ in range(count):
            image = png(20 * sample, 255 - 20 * sample, 40)
            tar.write({"__key__": f"{sample:06d}", "png": image, "cls": sample % 2, "json": {"n": sample}})
            sample += 1
subprocess.run([sys.executable, "-m", "wids.wids_index", "create", "--name", "made", "--output", "index.json",
                *shards], check=True, stdout=subprocess.DEVNULL)
text = open("index.json").read()
out = {"index": text, "shards": {name: base64.b64encode(open(name, "rb").read()).decode() for name in shards}}
json.dump(out, open(path, "w"), indent=1)
print(text)
