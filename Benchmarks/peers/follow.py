"""Repeats the steps of `moco bench step --start FILE --json`, from the same weights on the same images, and prints
the difference of the losses.

    moco bench step --recipe cifar --bn-splits 1 … --start start.safetensors --json > ours.json
    follow.py start.safetensors ours.json --recipe cifar

One group of batch normalisation, so that nothing is shuffled. In float32 without TF32.
"""

import argparse
import json
import struct

import torch

from moco_step import MoCo, SplitBatchNorm, make_encoder

# The recipes' momentum m, temperature, learning rate, weight decay, stem, hidden layer in the head.
RECIPES = {"cifar": (0.99, 0.1, 0.06, 5e-4, "cifar", False), "v2": (0.999, 0.2, 0.03, 1e-4, "imagenet", True)}
DTYPES = {"F32": torch.float32, "I64": torch.int64}


def read_safetensors(path):
    """Reads the format: a length, a JSON header, the bytes."""
    data = bytearray(open(path, "rb").read())
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, one in header.items():
        begin, end = (8 + length + offset for offset in one["data_offsets"])
        tensors[name] = torch.frombuffer(data[begin:end], dtype=DTYPES[one["dtype"]]).reshape(one["shape"]).clone()
    return tensors


def encoder_state(tensors, prefix):
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("start", help="the file of --start")
    parser.add_argument("ours", help="the output of --json")
    parser.add_argument("--recipe", choices=RECIPES, default="cifar")
    parser.add_argument("--arch", default="resnet18")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False

    tensors = read_safetensors(options.start)
    m, t, lr, decay, stem, mlp = RECIPES[options.recipe]
    SplitBatchNorm.splits = 1
    keys = tensors.pop("queue")  # K x C
    moco = MoCo(make_encoder(options.arch, stem, mlp, keys.shape[1]), len(keys), "eager", options.device, m, t, keys.shape[1])
    moco.encoder_q.load_state_dict(encoder_state(tensors, "encoder_q."))
    moco.encoder_k.load_state_dict(encoder_state(tensors, "encoder_k."))
    moco.queue.copy_(keys.T)
    optimizer = torch.optim.SGD(moco.encoder_q.parameters(), lr=lr, momentum=0.9, weight_decay=decay)

    generator = torch.Generator().manual_seed(1)
    size = (options.batch, 3, options.image_size, options.image_size)
    views = [torch.zeros(size).normal_(generator=generator).to(options.device) for _ in range(2)]
    ours = json.load(open(options.ours))["losses"]
    theirs = [moco.step(*views, optimizer) for _ in ours]
    apart = [abs(a - b) for a, b in zip(ours, theirs, strict=True)]
    print(json.dumps({"moco": ours, "pytorch": theirs, "first": apart[0], "largest": max(apart)}))


if __name__ == "__main__":
    main()
