"""Times one training step of MoCo v3 like a plain PyTorch program, on random images.

Chen, Xie, He 2021, algorithm 1, with a ViT of 16-pixel patches: a frozen patch projection, fixed positions of sines
and cosines, a projector of 3 layers and a predictor of 2, m 0.99, T 0.2, AdamW with weight decay 0.1. Both views go
through both encoders; the batch's other keys are the negatives. Attention is written out as products and a softmax;
--fused gives it PyTorch's own function. Three variants of the same step:

  eager    float32
  amp      autocast to bfloat16
  compile  the same with encoders and predictor through torch.compile

Needs torch 2.11.
"""

import argparse
import copy
import json
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from in_turns import timed  # noqa: E402

WIDTHS = {"vit_small": 384, "vit_base": 768}
DEPTH, HEADS, PATCH = 12, 12, 16


def linear(inputs, outputs, parts=1):
    """A linear layer with Glorot's uniform weights, in `parts` matrices drawn apart, and a bias of 0."""
    layer = nn.Linear(inputs, outputs)
    for matrix in layer.weight.data.chunk(parts):
        nn.init.xavier_uniform_(matrix)
    nn.init.zeros_(layer.bias)
    return layer


def positions(side, width):
    """Sines and cosines of the row, then of the column, and zeros for the class token: 1x(1+side^2)xwidth."""
    frequencies = 10000.0 ** -(torch.arange(width // 4) / (width // 4))
    angles = torch.arange(side)[:, None] * frequencies
    waves = torch.cat([angles.sin(), angles.cos()], dim=1)
    rows, columns = waves.repeat_interleave(side, dim=0), waves.repeat(side, 1)
    return torch.cat([torch.zeros(1, width), torch.cat([rows, columns], dim=1)]).unsqueeze(0)


class Attention(nn.Module):
    def __init__(self, width, fused):
        super().__init__()
        self.fused, self.scale = fused, (width // HEADS) ** -0.5
        self.qkv, self.proj = linear(width, 3 * width, parts=3), linear(width, width)

    def forward(self, x):
        n, length, width = x.shape
        q, k, v = self.qkv(x).reshape(n, length, 3, HEADS, width // HEADS).permute(2, 0, 3, 1, 4)
        if self.fused:
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            y = ((q @ k.transpose(-2, -1)) * self.scale).softmax(dim=-1) @ v
        return self.proj(y.transpose(1, 2).reshape(n, length, width))


class FeedForward(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1, self.fc2 = linear(width, 4 * width), linear(4 * width, width)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, width, fused):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width, eps=1e-6), Attention(width, fused)
        self.norm2, self.mlp = nn.LayerNorm(width, eps=1e-6), FeedForward(width)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbedding(nn.Module):
    """One linear map of each patch, which stays as it is drawn."""

    def __init__(self, width):
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, PATCH).requires_grad_(False)
        bound = math.sqrt(6 / (3 * PATCH**2 + width))
        nn.init.uniform_(self.proj.weight, -bound, bound)
        nn.init.zeros_(self.proj.bias)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


def mlp(layers, inputs, hidden, outputs):
    """Linear layers without bias, with batch normalisation behind each; the last one's has no weight and bias."""
    found = []
    for _ in range(layers - 1):
        found += [nn.Linear(inputs, hidden, bias=False), nn.BatchNorm1d(hidden), nn.ReLU(inplace=True)]
        inputs = hidden
    return nn.Sequential(*found, nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs, affine=False))


class Encoder(nn.Module):
    """A vision transformer and, behind its class token, the projector `head`."""

    def __init__(self, width, image_size, hidden, dim, fused):
        super().__init__()
        self.cls_token = nn.Parameter(1e-6 * torch.randn(1, 1, width))
        self.pos_embed = nn.Parameter(positions(image_size // PATCH, width), requires_grad=False)
        self.patch_embed = PatchEmbedding(width)
        self.blocks = nn.Sequential(*(Block(width, fused) for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = mlp(3, width, hidden, dim)

    def forward(self, x):
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), self.patch_embed(x)], dim=1) + self.pos_embed
        return self.head(self.norm(self.blocks(x))[:, 0])


class MoCoV3:
    def __init__(self, encoder, variant, device, m=0.99, t=0.2, hidden=4096, dim=256):
        self.m, self.t, self.variant, self.device = m, t, variant, torch.device(device)
        self.encoder_q = encoder.to(device)
        self.predictor = mlp(2, dim, hidden, dim).to(device)
        self.encoder_k = copy.deepcopy(self.encoder_q).requires_grad_(False)
        self.forward_q, self.forward_k = nn.Sequential(self.encoder_q, self.predictor), self.encoder_k
        if variant == "compile":
            self.forward_q, self.forward_k = torch.compile(self.forward_q), torch.compile(self.forward_k)

    def trained(self):
        return [p for module in (self.encoder_q, self.predictor) for p in module.parameters() if p.requires_grad]

    @torch.no_grad()
    def update_key_encoder(self):
        for p_q, p_k in zip(self.encoder_q.parameters(), self.encoder_k.parameters(), strict=True):
            p_k.mul_(self.m).add_(p_q, alpha=1 - self.m)

    def mixed(self):
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.variant != "eager")

    def contrast(self, q, k):
        """The loss of queries whose keys have the same place in the batch."""
        return 2 * self.t * F.cross_entropy(q @ k.T / self.t, torch.arange(len(q), device=q.device))

    def step(self, x1, x2, optimizer):
        with self.mixed():
            q1, q2 = self.forward_q(x1), self.forward_q(x2)
            with torch.no_grad():
                self.update_key_encoder()
                k1, k2 = self.forward_k(x1), self.forward_k(x2)
        q1, q2, k1, k2 = (F.normalize(y.float(), dim=1) for y in (q1, q2, k1, k2))
        loss = self.contrast(q1, k2) + self.contrast(q2, k1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--variant", choices=["eager", "amp", "compile"], default="eager")
    parser.add_argument("--fused", action="store_true", help="attention by scaled_dot_product_attention")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--arch", choices=WIDTHS, default="vit_small")
    parser.add_argument("--image-size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, help="threads of PyTorch; its own choice if not given")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.image_size % PATCH or arguments.batch < 2:
        parser.error(f"--image-size must be a multiple of {PATCH}, and --batch at least 2")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    encoder = Encoder(WIDTHS[arguments.arch], arguments.image_size, hidden=4096, dim=256, fused=arguments.fused)
    moco = MoCoV3(encoder, arguments.variant, arguments.device)
    optimizer = torch.optim.AdamW(moco.trained(), lr=2.4e-3, weight_decay=0.1)  # v3's rate at a batch of 4096
    size = (arguments.batch, 3, arguments.image_size, arguments.image_size)
    x1, x2 = (torch.randn(size).to(arguments.device) for _ in range(2))
    seconds = timed(lambda: moco.step(x1, x2, optimizer), arguments.warmup, arguments.steps)["seconds_per_step"]
    result = {
        "seconds_per_step": round(seconds, 4),
        "images_per_second": round(arguments.batch / seconds, 2),
        "variant": arguments.variant,
        "fused": arguments.fused,
        "device": torch.cuda.get_device_name() if arguments.device.startswith("cuda") else arguments.device,
        "batch": arguments.batch,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    print(json.dumps(result) if arguments.json else "\n".join(f"{name}: {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
