"""Prints what a run's log.jsonl says as one JSON object; with a second log also how far apart their losses are."""

import json
import statistics
import sys


def read(path):
    with open(path) as file:
        return [json.loads(line) for line in file if line.strip()]


def summary(path):
    events = read(path)
    steps = [e for e in events if e["event"] == "step"]
    later = steps[len(steps) // 2 :]  # the first ones fill queues and choose kernels
    knn = [e for e in events if e["event"] == "knn"]
    end = next((e for e in reversed(events) if e["event"] == "end"), {})
    return {
        "steps": steps[-1]["step"] if steps else 0,
        "losses": [e["loss"] for e in steps][:20],
        "images_per_second": statistics.median(e["images_per_second"] for e in later) if later else None,
        "data_wait": statistics.mean(e["data_wait"] for e in later) if later else None,
        "knn": [{"epoch": e["epoch"], "top1": e["top1"]} for e in knn],
        "status": end.get("status"),
    }


def main():
    found = [summary(path) for path in sys.argv[1:]]
    if len(found) == 1:
        print(json.dumps(found[0], indent=1))
        return
    pairs = list(zip(found[0]["losses"], found[1]["losses"], strict=True))
    print(json.dumps({
        "losses": [run["losses"] for run in found],
        "first_difference": abs(pairs[0][0] - pairs[0][1]),
        "largest_difference": max(abs(a - b) for a, b in pairs),
    }, indent=1))


if __name__ == "__main__":
    main()
