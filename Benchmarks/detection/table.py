"""AP, AP50 and AP75 of runs of `moco detect` beside each other, in Markdown: mean ± standard deviation over seeds.

    python3 Benchmarks/detection/table.py random=RUN,RUN,RUN moco=RUN,RUN,RUN

A row for each name and kind of result (boxes, masks), then a line for each run. Reads the last test of each log.jsonl.
"""

import json
import statistics
import sys
from pathlib import Path


def scores(run):
    """{kind: {name: percent}} of the run's last test."""
    events = [json.loads(line) for line in Path(run, "log.jsonl").read_text().splitlines()]
    test = [event for event in events if event["event"] == "detection"][-1]
    return {one["kind"]: {value["name"]: value["percent"] for value in one["values"]} for one in test["scores"]}


def main():
    rows = {name: runs.split(",") for name, runs in (argument.split("=", 1) for argument in sys.argv[1:])}
    found = {name: [scores(run) for run in runs] for name, runs in rows.items()}
    names = ["AP", "AP50", "AP75"]
    print(f"| start | result | {' | '.join(names)} |\n| --- | --- |{' ---: |' * len(names)}")
    for row, runs in found.items():
        for kind in runs[0]:
            cells = []
            for name in names:
                values = [run[kind][name] for run in runs]
                spread = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
                cells.append(f"{statistics.mean(values):.2f}{spread}")
            print(f"| {row} | {kind} | {' | '.join(cells)} |")
    for row, runs in rows.items():
        for run, kinds in zip(runs, found[row]):
            text = "; ".join(f"{kind} {', '.join(f'{name} {values[name]:.2f}' for name in names)}"
                             for kind, values in kinds.items())
            print(f"{row}, {run}: {text}")


if __name__ == "__main__":
    main()
