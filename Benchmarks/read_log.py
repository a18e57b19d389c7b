"""Prints a summary of a run's log.jsonl as one JSON object."""

import json
import statistics
import sys


def read(path):
    with open(path) as file:
        return [json.loads(line) for line in file if line.strip()]


def summary(path):
    events = read(path)
    steps = [e for e in events if e["event"] == "step"]
    later = steps[len(steps) // 2 :]  # the first steps fill queues and select kernels
    knn = [e for e in events if e["event"] == "knn"]
    end = next((e for e in reversed(events) if e["event"] == "end"), {})
    return {
        "steps": steps[-1]["step"] if steps else 0,
        "losses": [e["loss"] for e in steps][:20],
        # Images over time: all laps have the same length, and a median would leave out the waits.
        "images_per_second": statistics.harmonic_mean(e["images_per_second"] for e in later) if later else None,
        # The speed of the step with the least disturbance.
        "fastest_images_per_second": max((e["images_per_second"] for e in later), default=None),
        "data_wait": statistics.mean(e["data_wait"] for e in later) if later else None,
        "knn": [{"epoch": e["epoch"], "top1": e["top1"]} for e in knn],
        "status": end.get("status"),
    }


if __name__ == "__main__":
    print(json.dumps(summary(sys.argv[1]), indent=1))
