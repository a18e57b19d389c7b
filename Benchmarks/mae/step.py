"""Compares a training step of a masked auto-encoder with the same step in plain PyTorch, in turns, on two threads.

The step is that of He et al. 2021: ViT-S/16 with 6 heads, 16 images of 224 pixels of noise, three quarters of the patches
hidden, a decoder of 8 blocks of 512 channels with 16 heads, pixels normalised by patch, AdamW. PyTorch's attention is
written out as products and a softmax, as in the published code; --fused gives it PyTorch's own function. A turn is one run of
either program, which times the median of its steps; the report is the median over the turns.

    python Benchmarks/mae/step.py MOCO [--precision bfloat16] [--turns 5] [--fused] [--json]

Needs torch 2.11. Run it on an idle machine.
"""

import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from in_turns import THREADS, compare, line, timed  # noqa: E402

WIDTHS = {"vit_small": (384, 12), "vit_base": (768, 12)}


def make_model(options):
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Attention(nn.Module):
        def __init__(self, width, heads):
            super().__init__()
            self.heads, self.scale = heads, (width // heads) ** -0.5
            self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

        def forward(self, x):
            n, length, width = x.shape
            q, k, v = self.qkv(x).reshape(n, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
            if options.fused:
                y = F.scaled_dot_product_attention(q, k, v)
            else:
                y = ((q @ k.transpose(-2, -1)) * self.scale).softmax(dim=-1) @ v
            return self.proj(y.transpose(1, 2).reshape(n, length, width))

    class Block(nn.Module):
        def __init__(self, width, heads):
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
            self.attn = Attention(width, heads)
            self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x):
            x = x + self.attn(self.norm1(x))
            return x + self.mlp(self.norm2(x))

    class MaskedAutoencoder(nn.Module):
        def __init__(self):
            super().__init__()
            width, depth = WIDTHS[options.arch]
            inner, self.patch = options.decoder_dim, 16
            self.length = (options.image_size // self.patch) ** 2
            self.patch_embed = nn.Conv2d(3, width, self.patch, self.patch)
            self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, width))
            self.register_buffer("pos_embed", torch.randn(1, 1 + self.length, width))
            self.blocks = nn.Sequential(*(Block(width, options.heads) for _ in range(depth)))
            self.norm = nn.LayerNorm(width, eps=1e-6)
            self.decoder_embed = nn.Linear(width, inner)
            self.mask_token = nn.Parameter(0.02 * torch.randn(1, 1, inner))
            self.register_buffer("decoder_pos_embed", torch.randn(1, 1 + self.length, inner))
            self.decoder_blocks = nn.Sequential(
                *(Block(inner, options.decoder_heads) for _ in range(options.decoder_depth)))
            self.decoder_norm = nn.LayerNorm(inner, eps=1e-6)
            self.decoder_pred = nn.Linear(inner, self.patch**2 * 3)

        def patches(self, x):
            n, side = len(x), x.shape[2] // self.patch
            x = x.reshape(n, 3, side, self.patch, side, self.patch)
            return torch.einsum("nchpwq->nhwpqc", x).reshape(n, side * side, self.patch**2 * 3)

        def encode(self, x):
            x = self.patch_embed(x).flatten(2).transpose(1, 2) + self.pos_embed[:, 1:]
            n, length, width = x.shape
            order = torch.rand(n, length).argsort(dim=1)
            restore = order.argsort(dim=1)
            kept = order[:, : int(length * (1 - options.mask_ratio))]
            x = torch.gather(x, 1, kept.unsqueeze(-1).repeat(1, 1, width))
            mask = (restore >= kept.shape[1]).float()
            token = (self.cls_token + self.pos_embed[:, :1]).expand(n, -1, -1)
            return self.norm(self.blocks(torch.cat([token, x], dim=1))), mask, restore

        def decode(self, x, restore):
            x = self.decoder_embed(x)
            hidden = self.mask_token.repeat(len(x), restore.shape[1] + 1 - x.shape[1], 1)
            y = torch.cat([x[:, 1:], hidden], dim=1)
            y = torch.gather(y, 1, restore.unsqueeze(-1).repeat(1, 1, x.shape[2]))
            x = torch.cat([x[:, :1], y], dim=1) + self.decoder_pos_embed
            return self.decoder_pred(self.decoder_norm(self.decoder_blocks(x)))[:, 1:]

        def forward(self, x):
            latent, mask, restore = self.encode(x)
            predicted = self.decode(latent, restore)
            target = self.patches(x)
            mean, variance = target.mean(dim=-1, keepdim=True), target.var(dim=-1, keepdim=True)
            target = (target - mean) / (variance + 1e-6) ** 0.5
            each = ((predicted - target) ** 2).mean(dim=-1)
            return (each * mask).sum() / mask.sum()

    return MaskedAutoencoder()


def time_pytorch(options):
    import torch

    torch.set_num_threads(THREADS)
    torch.manual_seed(1)
    model = make_model(options).train()
    matrices = [p for p in model.parameters() if p.dim() > 1]
    vectors = [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": vectors, "weight_decay": 0.0}, {"params": matrices, "weight_decay": 0.05}]
    optimizer = torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.95))
    x = torch.randn(options.batch_size, 3, options.image_size, options.image_size)

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "bfloat16"):
            loss = model(x)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return timed(step, options.warmup, options.steps)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("moco", nargs="?", help="the program, built with -c release")
    parser.add_argument("--arch", default="vit_small", choices=WIDTHS)
    parser.add_argument("--heads", type=int, default=6)
    parser.add_argument("--decoder-dim", type=int, default=512)
    parser.add_argument("--decoder-depth", type=int, default=8)
    parser.add_argument("--decoder-heads", type=int, default=16)
    parser.add_argument("--mask-ratio", type=float, default=0.75)
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--fused", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--pytorch", action="store_true", help="one turn of PyTorch's, as JSON")
    options = parser.parse_args()
    if options.pytorch:
        print(json.dumps(time_pytorch(options)))
        return
    if not options.moco:
        parser.error("MOCO is missing: the program to compare")
    names = ["arch", "heads", "decoder_dim", "decoder_depth", "decoder_heads", "mask_ratio", "image_size", "batch_size",
             "precision", "warmup", "steps"]
    common = [word for name in names for word in (f"--{name.replace('_', '-')}", str(getattr(options, name)))]
    fused = ["--fused"] if options.fused else []
    result = compare(
        [options.moco, "bench", "step", "--recipe", "mae", "--device", "cpu", "--json", *common],
        [sys.executable, __file__, "--pytorch", *fused, *common], "PyTorch", options.turns)
    print(json.dumps(result) if options.json else line(result, "PyTorch"))


if __name__ == "__main__":
    main()
