"""Label maps of Cityscapes by `moco evaluate` and by cityscapesScripts, in turns: evaluate.py MOCO FOLDER ROUNDS.

FOLDER is what make_maps.py wrote. The Python that runs this needs cityscapesScripts 2.3.0 and a numpy below 2.
"""

import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

moco, folder, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3])
truth, results = f"{folder}/cityscapes", f"{folder}/results"

SCRIPTS = """
import sys
import cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling as evaluation
evaluation.args.quiet = True
evaluation.args.exportFile = sys.argv[1]
sys.argv = sys.argv[:1]
evaluation.main()
"""


def measure(command, environment):
    """Seconds, processor seconds, peak MB, and what was printed."""
    with tempfile.TemporaryFile() as output:
        start = time.monotonic()
        process = subprocess.Popen(command, stdout=output, env={**os.environ, **environment})
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        if status != 0:
            sys.exit(f"{command} failed: {status}")
        output.seek(0)
        return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, output.read().decode()


export = tempfile.NamedTemporaryFile(suffix=".json")
commands = {
    "moco evaluate": ([moco, "evaluate", f"{truth}/:val", results, "--metric", "cityscapes", "--json"], {}),
    "cityscapesScripts": ([sys.executable, "-c", SCRIPTS, export.name], {"CITYSCAPES_DATASET": truth, "CITYSCAPES_RESULTS": results}),
}
measured = {name: [] for name in commands}
for _ in range(rounds):
    for program, (command, environment) in commands.items():
        measured[program].append(measure(command, environment))

print(f"{len(os.listdir(results))} label maps, cityscapesScripts {importlib.metadata.version('cityscapesScripts')}, "
      f"{os.cpu_count()} processors, median of {rounds}")
own = None
for program, runs in measured.items():
    seconds, processor, memory = (statistics.median(run[i] for run in runs) for i in range(3))
    own = own or (seconds, processor, memory)
    print(f"  {program:18}{seconds:9.2f} s{processor:9.2f} s of processors{memory:8.0f} MB"
          f"   {seconds / own[0]:6.1f} x{processor / own[1]:7.1f} x{memory / own[2]:6.1f} x")

found = json.loads(measured["moco evaluate"][0][3])
numbers = {number["name"]: number["value"] for number in found["numbers"]}
with open(export.name) as file:
    expected = json.load(file)
pairs = [
    ("mIoU", "averageScoreClasses"), ("iIoU", "averageScoreInstClasses"), ("IoU category", "averageScoreCategories"),
    ("iIoU category", "averageScoreInstCategories"),
]
for name, key in pairs:
    print(f"  {name:18}{numbers[name]:.12f} {expected[key]:.12f}")
    if abs(numbers[name] - expected[key]) > 1e-9:
        sys.exit(f"{name} differs")
