"""Writes timm_state_dicts.json and forward_vit.json with timm 1.0 on torch 2.11.

timm_state_dicts: for each transformer the state dict in its order, a row [key, shape, dtype]. The convolutional stems
are MoCo v3's, of which timm has none: four 3x3 convolutions with stride 2 and a 1x1 one.

forward_vit: ViT-S/16 with 12 heads for images of 48 pixels in float64. The input 2x3x48x48 is u(7, i).
Parameter number n in named_parameters order, when it has more than one dimension, is u(1000 + n, i) * sqrt(6 / fan_in),
fan_in being the product of all dimensions but the first; a 1-d weight is 1, a bias is 0. The position embedding is
u(5, i). "features" are the first 16 of each image's class token behind block 3 and block 12, normalised.
"""

import json
import math
from functools import partial
from pathlib import Path

import torch
from make_backbones import state_dict_rows, u
from timm.models.vision_transformer import VisionTransformer
from torch import nn

HERE = Path(__file__).parent


def stem(width):
    layers, inputs = [], 3
    for outputs in [width // 8, width // 4, width // 2, width]:
        layers += [nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        inputs = outputs
    return nn.Sequential(*layers, nn.Conv2d(width, width, 1))


def transformer(width, image=224, conv=False, patch=16, depth=12):
    model = VisionTransformer(
        img_size=image,
        patch_size=patch,
        embed_dim=width,
        depth=11 if conv else depth,
        num_heads=12,
        mlp_ratio=4,
        qkv_bias=True,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
    )
    if conv:
        model.patch_embed.proj = stem(width)
    return model


@torch.no_grad()
def forward():
    model = transformer(384, image=48).double()
    for number, (name, parameter) in enumerate(model.named_parameters()):
        if name == "pos_embed":
            parameter.copy_(u(5, parameter.shape))
        elif parameter.dim() > 1:
            fan_in = math.prod(parameter.shape[1:])
            parameter.copy_(u(1000 + number, parameter.shape) * math.sqrt(6 / fan_in))
        else:
            parameter.fill_(1 if name.endswith("weight") else 0)
    x = u(7, (2, 3, 48, 48))
    stages = model.get_intermediate_layers(x, n=[2, 11], return_prefix_tokens=True, norm=True)
    first = [tokens[:, 0, :16].tolist() for _, tokens in stages]
    return {"features": {"3": first[0], "12": first[1]}, "logits_sum": model(x).sum(1).tolist()}


def write(name, value):
    rows = ",\n".join(f"{json.dumps(k)}:{json.dumps(v, separators=(',', ':'))}" for k, v in value.items())
    (HERE / name).write_text("{\n" + rows + "\n}\n")


if __name__ == "__main__":
    write(
        "timm_state_dicts.json",
        {
            "vit_mini": state_dict_rows(transformer(192, patch=4, depth=4)),
            "vit_small": state_dict_rows(transformer(384)),
            "vit_base": state_dict_rows(transformer(768)),
            "vit_conv_small": state_dict_rows(transformer(384, conv=True)),
            "vit_conv_base": state_dict_rows(transformer(768, conv=True)),
        },
    )
    write("forward_vit.json", forward())
