"""Times one training step of CIFAR MoCo on the CPU, as a plain PyTorch program does it.

ResNet-18 with a 3x3 stride-1 stem and no pooling, fc to 128, queue of 4096, m 0.99, T 0.1, asymmetric loss, batch
normalisation in splits, key batch shuffled, SGD 0.9 with weight decay 5e-4; float32 in the default memory format, and
random images. Needs torch 2.11 and torchvision 0.26.
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
    """Group j, which has its own statistics, is the samples whose index is j modulo the number of splits."""

    splits = 8

    def forward(self, x):
        if not self.training or self.splits == 1:
            return super().forward(x)
        n, c, h, w = x.shape
        mean, var = self.running_mean.repeat(self.splits), self.running_var.repeat(self.splits)
        groups = x.view(n // self.splits, self.splits * c, h, w)
        weight, bias = self.weight.repeat(self.splits), self.bias.repeat(self.splits)
        y = F.batch_norm(groups, mean, var, weight, bias, True, self.momentum, self.eps)
        self.running_mean.copy_(mean.view(self.splits, c).mean(0))
        self.running_var.copy_(var.view(self.splits, c).mean(0))
        return y.view(n, c, h, w)


def make_encoder(dim=128):
    encoder = torchvision.models.resnet18(num_classes=dim, norm_layer=SplitBatchNorm)
    encoder.conv1 = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)
    encoder.maxpool = nn.Identity()
    return encoder


class MoCo:
    def __init__(self, k, m=0.99, t=0.1, dim=128):
        self.m, self.t, self.pointer = m, t, 0
        self.encoder_q = make_encoder(dim)
        self.encoder_k = copy.deepcopy(self.encoder_q).requires_grad_(False)
        self.queue = F.normalize(torch.randn(dim, k), dim=0)

    @torch.no_grad()
    def update_key_encoder(self):
        for p_q, p_k in zip(self.encoder_q.parameters(), self.encoder_k.parameters(), strict=True):
            p_k.mul_(self.m).add_(p_q, alpha=1 - self.m)

    @torch.no_grad()
    def encode_keys(self, x):
        order = torch.randperm(len(x))
        return F.normalize(self.encoder_k(x[order]), dim=1)[torch.argsort(order)]

    def contrast(self, x_q, x_k):
        """The loss, and the keys to enqueue."""
        q = F.normalize(self.encoder_q(x_q), dim=1)
        k = self.encode_keys(x_k)
        positive = (q * k).sum(1, keepdim=True)
        negative = q @ self.queue.clone()
        logits = torch.cat([positive, negative], dim=1) / self.t
        return F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long)), k

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
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, help="threads of PyTorch; its own choice if not given")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--splits", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    k = 4096
    if k % arguments.batch or arguments.batch % arguments.splits:
        parser.error(f"--batch must divide {k} and be a multiple of --splits")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    SplitBatchNorm.splits = arguments.splits
    moco = MoCo(k)
    optimizer = torch.optim.SGD(moco.encoder_q.parameters(), lr=0.06, momentum=0.9, weight_decay=5e-4)
    x_q, x_k = torch.randn(2, arguments.batch, 3, 32, 32)
    seconds = []
    for _ in range(arguments.warmup + arguments.steps):
        started = time.perf_counter()
        moco.step(x_q, x_k, optimizer)
        seconds.append(time.perf_counter() - started)
    median = statistics.median(seconds[arguments.warmup :])
    result = {
        "seconds_per_step": round(median, 4),
        "images_per_second": round(arguments.batch / median, 2),
        "batch": arguments.batch,
        "splits": arguments.splits,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    print(json.dumps(result) if arguments.json else "\n".join(f"{name}: {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
