"""Writes sets.json: data sets as the field's own libraries write them, each file as base64 of its gzip, with the pixels and
labels that these libraries read back.

    python3 -m venv venv && venv/bin/pip install numpy==2.4.6 scipy==1.17.1 pillow==13.0.0 datasets==5.2.0 pyarrow==26.0.1
    venv/bin/python make_sets.py

Every image is a closed form, so that the files are small: byte i of a file's images is (7 i + 3) mod 251.
"""

import base64
import gzip
import io
import json
import os
import pathlib
import pickle
import struct
import tarfile
import tempfile
import zipfile

import datasets
import numpy as np
import scipy.io
from PIL import Image

here = pathlib.Path(__file__).resolve().parent
datasets.disable_progress_bars()
files, expected = {}, {}


def pattern(*shape):
    return ((7 * np.arange(np.prod(shape)) + 3) % 251).astype(np.uint8).reshape(shape)


def keep(name, content):
    files[name] = base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()


def png(side, level):
    out = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), level, np.uint8)).save(out, "png")
    return out.getvalue()


# CIFAR's python version. The published files were written by Python 2's cPickle, protocol 2, whose text is bytes (opcodes U
# and T) and which keeps every object. Python 3 cannot write that, so the operations are written here one by one, in the
# order of the published files; pickle.loads is the judge of them.
class Python2:
    def __init__(self):
        self.out, self.kept = bytearray(b"\x80\x02"), 0

    def put(self):
        self.out += b"q" + bytes([self.kept]) if self.kept < 256 else b"r" + struct.pack("<I", self.kept)
        self.kept += 1

    def text(self, text):
        self.out += b"U" + bytes([len(text)]) + text if len(text) < 256 else b"T" + struct.pack("<I", len(text)) + text
        self.put()

    def number(self, number):
        self.out += b"K" + bytes([number]) if number < 256 else b"M" + struct.pack("<H", number)

    def list(self, items, write):
        self.out += b"]"
        self.put()
        self.out += b"("
        for item in items:
            write(item)
        self.out += b"e"

    def array(self, array):
        self.out += b"cnumpy.core.multiarray\n_reconstruct\n"
        self.put()
        self.out += b"cnumpy\nndarray\n"
        self.put()
        self.out += b"K\x00\x85U\x01b\x87R"
        self.put()
        self.out += b"(K\x01"
        for size in array.shape:
            self.number(size)
        self.out += b"\x86cnumpy\ndtype\n"
        self.put()
        self.out += b"U\x02u1K\x00K\x01\x87R"
        self.put()
        self.out += b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        self.text(array.tobytes())
        self.out += b"tb"

    def dictionary(self, items):
        self.out += b"}"
        self.put()
        self.out += b"("
        for key, value in items.items():
            self.text(key.encode())
            if isinstance(value, np.ndarray):
                self.array(value)
            elif isinstance(value, bytes):
                self.text(value)
            elif isinstance(value[0], int):
                self.list(value, self.number)
            else:
                self.list(value, self.text)
        self.out += b"u."
        return bytes(self.out)


data, labels = pattern(3, 3072), [6, 0, 9]
batch = {"batch_label": b"training batch 1 of 5", "labels": labels, "data": data, "filenames": [b"a.png", b"b.png", b"c.png"]}
classes = [b"airplane", b"automobile", b"bird", b"cat", b"deer", b"dog", b"frog", b"horse", b"ship", b"truck"]
keep("cifar10 batch", Python2().dictionary(batch))
keep("cifar10 meta", Python2().dictionary({"label_names": classes}))
back = pickle.loads(Python2().dictionary(batch), encoding="bytes")
assert (back[b"data"] == data).all() and back[b"labels"] == labels and back[b"filenames"] == batch["filenames"]
for protocol in 2, 4, 5:
    keep(f"cifar10 protocol {protocol}", pickle.dumps({b"data": data, b"labels": labels}, protocol))
hundred = {"fine_labels": [19, 99, 0], "coarse_labels": [1, 2, 3], "data": data, "filenames": [b"x", b"y", b"z"]}
keep("cifar100 train", Python2().dictionary(hundred))
keep("cifar100 meta", Python2().dictionary({"fine_label_names": [b"class %d" % i for i in range(100)]}))
# The red, green and blue of the pixel in row 1, column 2 of image 1, by numpy.
expected["cifar pixel"] = data[1].reshape(3, 32, 32)[:, 1, 2].tolist()


# MedMNIST and Keras.
def npz(name, save, **arrays):
    out = io.BytesIO()
    save(out, **arrays)
    keep(name, out.getvalue())


rgb, gray = pattern(5, 4, 6, 3), pattern(4, 5, 5)
parts = dict(train_labels=np.array([[2], [0], [1], [1], [0]], np.uint8), test_images=rgb[:2],
             test_labels=np.array([[1], [0]], np.uint8), val_images=rgb[:1], val_labels=np.array([[3]], np.uint8))
npz("rgb npz", np.savez_compressed, train_images=rgb, **parts)
npz("stored npz", np.savez, train_images=rgb, **parts)
npz("keras npz", np.savez_compressed, x_train=gray, y_train=np.array([7, 1, 0, 2], np.int64), x_test=gray[:2],
    y_test=np.array([1, 0], np.int64))
npz("multi npz", np.savez_compressed, train_images=gray, train_labels=np.eye(4, 14, dtype=np.uint8))
npz("volume npz", np.savez_compressed, train_images=pattern(2, 4, 4, 4), train_labels=np.zeros((2, 1), np.uint8))
npz("float npz", np.savez_compressed, train_images=gray / np.float32(255), train_labels=np.zeros((4, 1), np.uint8))
npz("object npz", np.savez_compressed, train_images=np.array([{}, {}], object), train_labels=np.zeros((2, 1), np.uint8))
npz("fortran npz", np.savez_compressed, train_images=np.asfortranarray(rgb), train_labels=parts["train_labels"])
npz("other npz", np.savez_compressed, a=gray, b=gray)
expected["rgb pixels"] = rgb[3].reshape(-1).tolist()
expected["gray pixels"] = np.repeat(gray[2].reshape(-1), 3).tolist()


# SVHN: X is height x width x 3 x N, y has 10 for the digit 0.
def mat(name, variables, **options):
    out = io.BytesIO()
    scipy.io.savemat(out, variables, **options)
    content = bytearray(out.getvalue())
    content[:116] = b"MATLAB 5.0 MAT-file, written by scipy".ljust(116)  # without the time
    keep(name, bytes(content))


x, y = pattern(4, 6, 3, 3), np.array([[1], [10], [9]], np.uint8)
mat("svhn packed", {"X": x, "y": y}, do_compression=True)
mat("svhn plain", {"X": x, "y": y})
mat("svhn double", {"X": x, "y": y.astype(float)}, do_compression=True)
mat("other mat", {"a": np.arange(3.0), "text": "abc", "cell": np.array([1, "x"], object)}, do_compression=True)
expected["svhn pixels"] = x[:, :, :, 1].reshape(-1).tolist()

# The part of ILSVRC2012's meta.mat that matters: ids in another order than the names, and a class that has children.
fields = [("ILSVRC2012_ID", object), ("WNID", object), ("words", object), ("gloss", object), ("num_children", object)]
synsets = np.zeros((4, 1), fields)
for row, (number, name, children) in enumerate([(1, "n03", 0), (2, "n01", 0), (3, "n02", 0), (4, "n00", 2)]):
    synsets[row, 0] = (np.array([[number]], np.int16), name, f"word {row}", "a gloss\u2019s text", np.array([[children]], np.uint8))
mat("meta mat", {"synsets": synsets}, do_compression=True)


# Zip archives.
def archive(name, members, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as zipped:
        for member, content in members:
            zipped.writestr(zipfile.ZipInfo(member) if isinstance(member, str) else member, content, method)
    keep(name, out.getvalue())


pictures = [("photos/dog/2.png", png(3, 20)), ("photos/cat/1.png", png(2, 10)), ("photos/cat/10.png", png(4, 30))]
rest = [("photos/", b""), ("photos/cat/", b""), ("photos/cat/.hidden.png", b"x"), ("__MACOSX/photos/cat/._1.png", b"x"),
        ("photos/notes.txt", b"x" * 100)]
archive("classes zip", pictures + rest)
archive("stored zip", pictures, zipfile.ZIP_STORED)
archive("flat zip", [("a/1.png", png(2, 1)), ("a/2.png", png(2, 2))])
archive("parts zip", [(f"set/{part}/{kind}/{i}.png", png(2, 10 * i)) for part in ("train", "val") for kind in ("cat", "dog")
                      for i in range(2 if part == "train" else 1)])
archive("mixed zip", [("1.png", png(2, 1)), ("cat/2.png", png(2, 2))])
archive("texts zip", [("readme.txt", b"x")])
archive("packed otherwise zip", [("1.png", png(2, 1)), ("2.png", png(2, 2))], zipfile.ZIP_BZIP2)


# ImageNet's tar of tars, and its flat validation tar.
def tar(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as made:
        for name, content in members:
            information = tarfile.TarInfo(name)
            information.size = len(content)
            made.addfile(information, io.BytesIO(content))
    return out.getvalue()


inner = {name: tar([(f"{name}_{i}.JPEG", png(2, 10 * k + i)) for i in (12, 3)]) for k, name in enumerate(["n02", "n01"], 1)}
keep("tar of tars", tar([(f"{name}.tar", content) for name, content in inner.items()]))
validation = [(f"ILSVRC2012_val_0000000{i}.JPEG", png(2, i)) for i in (2, 1, 3)]
keep("val tar", tar(validation))


# Parquet as datasets writes it: image files inside, two groups of rows; and one with names only.
def parquet(name, rows, features, **options):
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        datasets.Dataset.from_dict(rows, features=features).to_parquet(file.name, **options)
        keep(name, pathlib.Path(file.name).read_bytes())


features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog", "eel"])})
stored = [{"bytes": png(2, 40 + i), "path": f"{i}.png"} for i in range(5)]
parquet("images parquet", {"image": stored, "label": [1, 0, 1, 1, 0]}, features, batch_size=3)
with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    paths = [f"{i}.png" for i in range(3)]
    for path in paths:
        pathlib.Path(path).write_bytes(png(2, 1))
    parquet("names parquet", {"image": [{"bytes": None, "path": path} for path in paths], "label": [0, 1, 0]}, features)
plain = datasets.Features({"img": datasets.Image(), "fine_label": datasets.Value("int64"), "coarse_label": datasets.Value("int64")})
parquet("plain parquet", {"img": stored, "fine_label": [3, 0, 1, 2, 2], "coarse_label": [0, 0, 0, 1, 1]}, plain)
parquet("unlabelled parquet", {"image": stored, "label": [-1] * 5}, features)
words = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
parquet("words parquet", {"image": stored, "label": ["eel", "ape", "eel", "ape", "ape"]}, words)
parquet("table parquet", {"a": [1, 2], "b": ["x", "y"]}, None)

(here / "sets.json").write_text(json.dumps({"files": files, "expected": expected}, indent=0) + "\n")
print(sum(map(len, files.values())) // 1024, "KB")
