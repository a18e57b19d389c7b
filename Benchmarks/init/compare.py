"""Goes on from a run on other images, and from random weights, for the same time: loss and kNN beside each other.

    python3 Benchmarks/init/compare.py .build/release/moco --source imagenette-5k.tar --target bccd-voc.tar \\
        --out /tmp/init --minutes 10

SOURCE is a folder of images, or a tar that holds a folder train/; a run of an earlier call is used again. TARGET is a
tar of a detection set in PASCAL VOC's or COCO's layout, of which the boxes are cut out (crops.py): three quarters of its
images are learned from, and searched by kNN; the crops of the others are classified. Both runs on TARGET have the same
steps, images, order and options; only their first weights differ. Needs Pillow.
"""

import argparse
import json
import subprocess
import tarfile
from pathlib import Path

import crops

BASE = ["--recipe", "cifar", "--device", "cpu", "--log-every", "1", "--quiet"]


def events(folder):
    return [json.loads(line) for line in Path(folder, "log.jsonl").read_text().splitlines()]


def pretrain(options, data, out, *more):
    command = [options.moco, "pretrain", str(data), "--out", str(out), *BASE, "--arch", options.arch,
               "--image-size", str(options.size), "--batch-size", str(options.batch),
               "--bn-splits", str(options.splits), *map(str, more)]
    subprocess.run(command, check=True)


def epochs_in(minutes, options, data, out, *more):
    """As many as a short run says that there are in the time."""
    images = sum(1 for path in Path(data).rglob("*") if path.is_file())
    per_epoch = images // options.batch
    pretrain(options, data, out, "--steps", 30, *more)
    steps = [e for e in events(out) if e["event"] == "step"]
    later = steps[len(steps) // 2:]
    speed = sum(e["images_per_second"] for e in later) / len(later)
    return max(1, round(minutes * 60 * speed / options.batch / per_epoch))


def source_run(options, out):
    run = Path(out, "source")
    source = Path(options.source)
    if source.is_dir() and (source / "config.yaml").exists():
        return source
    if source.suffix == ".tar":
        with tarfile.open(source) as tar:
            tar.extractall(out / "source-images", filter="data")
        source = out / "source-images" / "train"
    if not (run / "log.jsonl").exists() or events(run)[-1].get("status") != "finished":
        more = ["--moco-k", options.k]
        epochs = options.source_epochs or epochs_in(options.source_minutes, options, source, out / "trial-source", *more)
        pretrain(options, source, run, "--epochs", epochs, *more)
    return run


def table(runs):
    """A line for each measurement: epoch, and loss and kNN of every run."""
    columns = {}
    for name, folder in runs.items():
        losses = []
        for event in events(folder):
            if event["event"] == "step":
                losses.append(event["loss"])
            if event["event"] == "knn":
                mean = sum(losses) / len(losses) if losses else None
                columns.setdefault(event["epoch"], {})[name] = (mean, event["top1"])
                losses = []
    print("epoch  " + "  ".join(f"{name + ': loss':>16} {'kNN':>7}" for name in runs))
    for epoch in sorted(columns):
        row = [columns[epoch].get(name, (None, None)) for name in runs]
        cells = [f"{'' if loss is None else f'{loss:.4f}':>16} {'' if knn is None else f'{knn:.2f}':>7}"
                 for loss, knn in row]
        print(f"{epoch:5.1f}  " + "  ".join(cells))
    return columns


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moco")
    parser.add_argument("--source", required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--minutes", type=float, default=10, help="of each run on the target")
    parser.add_argument("--source-minutes", type=float, default=30)
    parser.add_argument("--source-epochs", type=int, help="instead of --source-minutes")
    parser.add_argument("--epochs", type=int, help="instead of --minutes")
    parser.add_argument("--arch", default="resnet20")
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--splits", type=int, default=8)
    parser.add_argument("--k", type=int, default=1024, help="keys in the queue, on the source")
    parser.add_argument("--lr", type=float, default=0.03, help="on the target, of both runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    options = parser.parse_args()
    out = options.out
    out.mkdir(parents=True, exist_ok=True)

    source = source_run(options, out)
    data = out / f"crops-{Path(options.target).stem}"
    if not data.exists():
        print({f"{part}/{kind}": count for (part, kind), count in crops.cut(options.target, data).items()})
    images = sum(1 for path in (data / "train").rglob("*.png"))
    # As many keys as there are images beside a batch, at most: older keys of an image would be its negatives.
    k = min(options.k, max(options.batch, (images - options.batch) // options.batch * options.batch))
    common = ["--moco-k", k, "--lr", options.lr]
    epochs = options.epochs or epochs_in(options.minutes, options, data / "train", out / "trial-target", *common)
    print(f"{images} crops to learn from, {epochs} epochs each, K {k}", flush=True)
    common += ["--epochs", epochs, "--knn-train", data / "train", "--knn-test", data / "test",
               "--knn-every", max(1, epochs // 20)]
    for seed in options.seeds:
        runs = {"given": out / f"given-{seed}", "random": out / f"random-{seed}"}
        for name, folder in runs.items():
            start = ["--init", source] if name == "given" else []
            pretrain(options, data / "train", folder, "--seed", seed, *common, *start)
        print(f"seed {seed}")
        table(runs)


if __name__ == "__main__":
    main()
