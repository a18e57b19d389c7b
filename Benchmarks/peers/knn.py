"""Times a plain kNN search in PyTorch: blocks of one matrix product and top-k, no votes."""

import argparse
import json
import time

import torch
import torch.nn.functional as F


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bank", type=int, default=50_000)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--k", type=int, default=200)
    parser.add_argument("--block", type=int, default=1000, help="queries at once")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    generator = torch.Generator().manual_seed(1)
    bank = torch.randn(arguments.bank, arguments.width, generator=generator)
    queries = torch.randn(arguments.queries, arguments.width, generator=generator)
    started = time.perf_counter()
    with torch.inference_mode():
        columns = F.normalize(bank).T
        found = [(block @ columns).topk(arguments.k) for block in F.normalize(queries).split(arguments.block)]
    seconds = time.perf_counter() - started
    assert sum(len(values) for values, _ in found) == arguments.queries
    result = {"seconds": round(seconds, 4), "torch": torch.__version__, "threads": torch.get_num_threads()}
    print(json.dumps(result) if arguments.json else "\n".join(f"{name}: {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
