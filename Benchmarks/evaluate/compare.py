"""Runs the evaluators in turns: compare.py MOCO FOLDER ROUNDS."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

moco, folder, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])

PYCOCOTOOLS = """
import contextlib, io, sys
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
with contextlib.redirect_stdout(io.StringIO()):
    truth = COCO(sys.argv[1])
    evaluation = COCOeval(truth, truth.loadRes(sys.argv[2]), sys.argv[3])
    evaluation.evaluate(); evaluation.accumulate(); evaluation.summarize()
print([float(value) for value in evaluation.stats])
"""
FASTER = """
import contextlib, io, sys
from faster_coco_eval import COCO, COCOeval_faster
with contextlib.redirect_stdout(io.StringIO()):
    truth = COCO(sys.argv[1])
    evaluation = COCOeval_faster(truth, truth.loadRes(sys.argv[2]), sys.argv[3], print_function=lambda *_: None)
    evaluation.evaluate(); evaluation.accumulate(); evaluation.summarize()
print([float(value) for value in evaluation.stats][:12])
"""


def measure(command):
    """Seconds, processor seconds, peak MB, and what was printed."""
    with tempfile.TemporaryFile() as output:
        start = time.monotonic()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        if status != 0:
            sys.exit(f"{command} failed: {status}")
        output.seek(0)
        return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output.read().decode()


for kind, name in [("bbox", "boxes"), ("segm", "masks")]:
    truth, results = f"{folder}/truth.json", f"{folder}/{name}.json"
    commands = {
        "moco evaluate": [moco, "evaluate", truth, results, "--metric", "coco", "--iou", kind, "--json"],
        "pycocotools": [sys.executable, "-c", PYCOCOTOOLS, truth, results, kind],
        "faster-coco-eval": [sys.executable, "-c", FASTER, truth, results, kind],
    }
    measured = {name: [] for name in commands}
    for _ in range(rounds):
        for program, command in commands.items():
            measured[program].append(measure(command))
    print(f"{name}: median of {rounds}")
    own = None
    for program, runs in measured.items():
        seconds, processor, memory = (statistics.median(run[i] for run in runs) for i in range(3))
        own = own or (seconds, processor, memory)
        print(f"  {program:18}{seconds:9.2f} s{processor:9.2f} s of processors{memory:8.0f} MB"
              f"   {seconds / own[0]:6.1f} x{processor / own[1]:7.1f} x{memory / own[2]:6.1f} x")
    for program, runs in measured.items():
        text = runs[0][3]
        values = [n["value"] for n in json.loads(text)["numbers"]] if program.startswith("moco") else json.loads(text)
        print(f"  {program:18}" + " ".join("–" if v is None else f"{v:.10f}" for v in values))
