"""Times one training step of MoCo like a plain PyTorch program, on random images.

Asymmetric loss, m 0.99, T 0.1, SGD 0.9 with weight decay 5e-4. With --stem cifar (the default) as the CIFAR demo: a 3x3
stride-1 stem and no pooling, batch normalisation in splits, key batch shuffled. With --stem imagenet torchvision's network;
--mlp adds v2's hidden layer. Three variants of the same step:

  eager    float32 in the default memory format, as published
  amp      autocast to bfloat16, channels_last
  compile  the same with both encoders through torch.compile

Needs torch 2.11 and torchvision 0.26.
"""

import argparse
import copy
import json
import statistics
import time

import torch
import torch.nn.functional as F
import torchvision
from torch import nn


class SplitBatchNorm(nn.BatchNorm2d):
    """Group j is the samples whose index is j modulo the number of splits; each group has its own statistics."""

    splits = 8

    def forward(self, x):
        if not self.training or self.splits == 1:
            return super().forward(x)
        n, c, h, w = x.shape
        mean, var = self.running_mean.repeat(self.splits), self.running_var.repeat(self.splits)
        groups = x.reshape(n // self.splits, self.splits * c, h, w)
        weight, bias = self.weight.repeat(self.splits), self.bias.repeat(self.splits)
        y = F.batch_norm(groups, mean, var, weight, bias, True, self.momentum, self.eps)
        self.running_mean.copy_(mean.view(self.splits, c).mean(0))
        self.running_var.copy_(var.view(self.splits, c).mean(0))
        return y.reshape(n, c, h, w)


def make_encoder(arch, stem, mlp, dim=128):
    encoder = torchvision.models.get_model(arch, num_classes=dim, norm_layer=SplitBatchNorm)
    if stem == "cifar":
        encoder.conv1 = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)
        encoder.maxpool = nn.Identity()
    if mlp:
        width = encoder.fc.in_features
        encoder.fc = nn.Sequential(nn.Linear(width, width), nn.ReLU(), encoder.fc)
    return encoder


class MoCo:
    def __init__(self, encoder, k, variant, device, m=0.99, t=0.1, dim=128):
        self.m, self.t, self.pointer, self.variant = m, t, 0, variant
        self.encoder_q = encoder.to(device)
        if variant != "eager":
            self.encoder_q = self.encoder_q.to(memory_format=torch.channels_last)
        self.encoder_k = copy.deepcopy(self.encoder_q).requires_grad_(False)
        self.queue = F.normalize(torch.randn(dim, k, device=device), dim=0)
        self.forward_q, self.forward_k = self.encoder_q, self.encoder_k
        if variant == "compile":
            self.forward_q, self.forward_k = torch.compile(self.encoder_q), torch.compile(self.encoder_k)

    def mixed(self):
        return torch.autocast(self.queue.device.type, torch.bfloat16, enabled=self.variant != "eager")

    @torch.no_grad()
    def update_key_encoder(self):
        for p_q, p_k in zip(self.encoder_q.parameters(), self.encoder_k.parameters(), strict=True):
            p_k.mul_(self.m).add_(p_q, alpha=1 - self.m)

    @torch.no_grad()
    def encode_keys(self, x):
        order = torch.randperm(len(x), device=x.device)
        with self.mixed():
            k = self.forward_k(x[order])
        return F.normalize(k.float(), dim=1)[torch.argsort(order)]

    def contrast(self, x_q, x_k):
        """The loss, and the keys to enqueue."""
        with self.mixed():
            q = self.forward_q(x_q)
        q = F.normalize(q.float(), dim=1)
        k = self.encode_keys(x_k)
        positive = (q * k).sum(1, keepdim=True)
        negative = q @ self.queue.clone()
        logits = torch.cat([positive, negative], dim=1) / self.t
        return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long, device=q.device)), k

    @torch.no_grad()
    def enqueue(self, keys):
        end = self.pointer + len(keys)
        self.queue[:, self.pointer : end] = keys.T
        self.pointer = end % self.queue.shape[1]

    def step(self, x_q, x_k, optimizer):
        self.update_key_encoder()
        loss, keys = self.contrast(x_q, x_k)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        self.enqueue(keys)
        return loss.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variant", choices=["eager", "amp", "compile"], default="eager")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--arch", default="resnet18")
    parser.add_argument("--stem", choices=["cifar", "imagenet"], default="cifar")
    parser.add_argument("--mlp", action="store_true")
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--k", type=int, default=4096)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, help="threads of PyTorch; its own choice if not given")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--splits", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.k % arguments.batch or arguments.batch % arguments.splits:
        parser.error(f"--batch must divide --k {arguments.k} and be a multiple of --splits")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    SplitBatchNorm.splits = arguments.splits
    encoder = make_encoder(arguments.arch, arguments.stem, arguments.mlp)
    moco = MoCo(encoder, arguments.k, arguments.variant, arguments.device)
    optimizer = torch.optim.SGD(moco.encoder_q.parameters(), lr=0.06, momentum=0.9, weight_decay=5e-4)
    layout = torch.contiguous_format if arguments.variant == "eager" else torch.channels_last
    size = (arguments.batch, 3, arguments.image_size, arguments.image_size)
    x_q, x_k = (torch.randn(size).to(arguments.device, memory_format=layout) for _ in range(2))
    seconds = []
    for _ in range(arguments.warmup + arguments.steps):
        started = time.perf_counter()
        moco.step(x_q, x_k, optimizer)
        seconds.append(time.perf_counter() - started)
    median = statistics.median(seconds[arguments.warmup :])
    result = {
        "seconds_per_step": round(median, 4),
        "images_per_second": round(arguments.batch / median, 2),
        "variant": arguments.variant,
        "device": torch.cuda.get_device_name() if arguments.device.startswith("cuda") else arguments.device,
        "batch": arguments.batch,
        "splits": arguments.splits,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    print(json.dumps(result) if arguments.json else "\n".join(f"{name}: {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
