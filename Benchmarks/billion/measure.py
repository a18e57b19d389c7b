#!/usr/bin/env python3
"""A billion images in 100,000 shards: time to the first step and to a resumed one, and memory, beside a small set.

    python3 Benchmarks/billion/measure.py --moco .build/release/moco [--ranks 64] [--every 1] [--work FOLDER]

The shards are one tar file of 10,000 pictures under 100,000 names: as files (symbolic links) and as commands
(`pipe:cat`). Only numpy and Pillow are needed. Every rank is one process (`moco bench start`), one after the other; the
steps of training are real runs of `moco pretrain`, of which the resumed one begins in the middle of an epoch: its
checkpoint's position is changed by hand, because nobody trains half a billion images for this.
"""
import argparse, glob, io, json, os, shutil, subprocess, sys, tarfile, tempfile, time, zlib

import numpy
from PIL import Image

IMAGES, SHARDS, SMALL = 10_000, 100_000, 4

parser = argparse.ArgumentParser()
parser.add_argument("--moco", default=".build/release/moco")
parser.add_argument("--ranks", type=int, default=64)
parser.add_argument("--every", type=int, default=1, help="measure each n-th rank only")
parser.add_argument("--work", default=None)
arguments = parser.parse_args()
moco = os.path.abspath(arguments.moco)
work = arguments.work or tempfile.mkdtemp(prefix="billion-")
os.makedirs(work, exist_ok=True)
os.chdir(work)


def make_shard(path):
    draw = numpy.random.default_rng(1)
    pictures = []
    for _ in range(50):
        small = Image.fromarray(draw.integers(0, 255, (12, 12, 3), dtype=numpy.uint8))
        out = io.BytesIO()
        small.resize((96, 96), Image.BICUBIC).save(out, "JPEG", quality=90)
        pictures.append(out.getvalue())
    with tarfile.open(path, "w") as tar:
        for number in range(IMAGES):
            member = tarfile.TarInfo(f"{number:09d}.jpg")
            member.size = len(pictures[number % 50])
            tar.addfile(member, io.BytesIO(pictures[number % 50]))
    return os.path.getsize(path)


def make_index(name, urls, size):
    shards = [{"url": url, "nsamples": IMAGES, "filesize": size} for url in urls]
    with open(name, "w") as file:
        json.dump({"__kind__": "wids-shard-index-v1", "wids_version": 1, "name": name, "shardlist": shards}, file)


size = os.path.getsize("shard.tar") if os.path.exists("shard.tar") else make_shard("shard.tar")
os.makedirs("links", exist_ok=True)
if len(os.listdir("links")) < SHARDS:
    for number in range(SHARDS):
        if not os.path.lexists(f"links/{number:06d}.tar"):
            os.symlink("../shard.tar", f"links/{number:06d}.tar")
for count, kind in [(SHARDS, "large"), (SMALL, "small")]:
    make_index(f"{kind}-files.json", [f"links/{n:06d}.tar" for n in range(count)], size)
    make_index(f"{kind}-pipes.json", [f"pipe:exec cat '{work}/shard.tar' # {n}" for n in range(count)], size)
print(f"shard of {size / 1e6:.1f} MB; index of {SHARDS} shards: {os.path.getsize('large-files.json') / 1e6:.1f} MB", flush=True)


def start(index, rank, at):
    out = subprocess.run(
        [moco, "bench", "start", index, "--batch-size", "4096", "--ranks", str(arguments.ranks), "--rank", str(rank),
         "--at", str(at), "--image-size", "96", "--json"], check=True, capture_output=True, text=True).stdout
    return json.loads(out)


print(f"\none of {arguments.ranks} ranks, batches of 4096: each rank a process of its own, one after the other")
print("| shards | set | where | opened, s (worst) | first batch, s (median, worst) | largest memory, MB (worst) |")
print("|---|---|---|---|---|---|")
for form in ["files", "pipes"]:
    for kind, ranks in [("small", range(0, arguments.ranks, 8)), ("large", range(0, arguments.ranks, arguments.every))]:
        for at in [0, 0.5]:
            found = [start(f"{kind}-{form}.json", rank, at) for rank in ranks]
            seconds = sorted(run["seconds"] for run in found)
            print(f"| {form} | {kind} | {at} | {max(run['opened'] for run in found):.2f} | "
                  f"{seconds[len(seconds) // 2]:.2f}, {seconds[-1]:.2f} | "
                  f"{max(run['memory'] for run in found) / 1e6:.1f} |", flush=True)


def train(index, out, steps):
    began = time.monotonic()
    process = subprocess.Popen(
        [moco, "pretrain", index, "--recipe", "cifar", "--arch", "resnet8", "--image-size", "32", "--batch-size", "256",
         "--epochs", "1", "--steps", str(steps), "--device", "cpu", "--out", out, "--quiet"])
    _, status, use = os.wait4(process.pid, 0)
    assert status == 0, f"moco pretrain ended with {status}"
    return time.monotonic() - began, use.ru_maxrss / 1000


def move(out, step):
    """Changes the position of the only checkpoint."""
    (state,) = glob.glob(f"{out}/checkpoints/*/state.json")
    values = json.load(open(state))
    del values["checksum"]
    values.update(step=step, batch=step, epoch=0)
    text = json.dumps(values, indent=2)
    rest = text[1:] + "\n"
    checksum = f"{zlib.crc32(rest.encode()):08x}"
    open(state, "w").write('{\n  "checksum" : "' + checksum + '",' + rest)
    os.rename(os.path.dirname(state), f"{out}/checkpoints/step-{step}")
    open(f"{out}/checkpoints/latest", "w").write(f"step-{step}\n")


print("\nmoco pretrain, ResNet-8 on 32 pixels, batches of 256: the whole process, one step")
print("| shards | set | start | seconds | largest memory, MB |")
print("|---|---|---|---|---|")
for form in ["files", "pipes"]:
    for kind in ["small", "large"]:
        out = f"run-{kind}-{form}"
        shutil.rmtree(out, ignore_errors=True)
        seconds, memory = train(f"{kind}-{form}.json", out, 1)
        print(f"| {form} | {kind} | new | {seconds:.2f} | {memory:.1f} |", flush=True)
        middle = (SHARDS if kind == "large" else SMALL) * IMAGES // 256 // 2
        move(out, middle)
        seconds, memory = train(f"{kind}-{form}.json", out, middle + 1)
        print(f"| {form} | {kind} | after step {middle} | {seconds:.2f} | {memory:.1f} |", flush=True)
if not arguments.work:
    shutil.rmtree(work)
