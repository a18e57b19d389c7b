"""Writes library_names.json: names and shapes of the files that libraries write, and where each of them is from.

    pip install torch==2.11.0 torchvision==0.26.0 timm==1.0.31 lightly==1.6.0 transformers==5.24.0
    python make_library_names.py

The layouts of solo-learn, mmselfsup, mmpretrain, VISSL, DINO and lightly-train are made of torchvision's and timm's
networks and the module names of these programs, given beside each. A table of names stands once, and each file is a list
of prefixes with tables; shapes are places in one list.
"""
import copy
import json
import tempfile
from pathlib import Path

import torch
import torchvision
from torch import nn

here = Path(__file__).parent


def shapes(state, prefix=""):
    return [(prefix, {name: list(tensor.shape) for name, tensor in state.items()})]


def single(name, *shape):
    return [(name, {"": list(shape)})]


def resnet(arch="resnet18", small=False):
    net = getattr(torchvision.models, arch)()
    net.fc = nn.Identity()
    if small:
        net.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        net.maxpool = nn.Identity()
    return net


def lightly_moco():
    # The MoCo example of lightly's documentation: the children of a ResNet but for its last layer.
    from lightly.models.modules import MoCoProjectionHead

    net = nn.Module()
    net.backbone = nn.Sequential(*list(torchvision.models.resnet18().children())[:-1])
    net.projection_head = MoCoProjectionHead(512, 512, 128)
    net.backbone_momentum = copy.deepcopy(net.backbone)
    net.projection_head_momentum = copy.deepcopy(net.projection_head)
    parts = {}
    for name, tensor in net.state_dict().items():
        part, rest = name.split(".", 1)
        parts.setdefault(part + ".", {})[rest] = list(tensor.shape)
    return list(parts.items())


def without_pooling():
    # SimCLR of leftthomas: the children but for pooling and classifier, with a 3×3 stem.
    children = [m for n, m in resnet(small=True).named_children() if n not in ("maxpool", "fc")]
    return shapes(nn.Sequential(*children).state_dict(), "f.")


def two(first, second, state):
    return shapes(state, first) + shapes(state, second)


def transformers_vit(memory):
    from safetensors import safe_open
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(hidden_size=384, num_attention_heads=6, intermediate_size=1536, num_labels=10)
    net = ViTForImageClassification(config)
    if memory:
        return shapes(net.state_dict())
    with tempfile.TemporaryDirectory() as folder:
        net.save_pretrained(folder)
        with safe_open(f"{folder}/model.safetensors", "pt") as file:
            return [("", {name: file.get_slice(name).get_shape() for name in file.keys()})]


def transformers_resnet():
    from transformers import ResNetConfig, ResNetForImageClassification

    config = ResNetConfig(
        depths=[2, 2, 2, 2], hidden_sizes=[64, 128, 256, 512], embedding_size=64, layer_type="basic", num_labels=10)
    return shapes(ResNetForImageClassification(config).state_dict())


def vit():
    import timm

    return timm.create_model("vit_small_patch16_224", num_classes=0)


def mmpretrain_vit():
    # mmpretrain 1.2.0, models/backbones/vision_transformer.py: layers, ln1, ffn.layers.
    names = [
        ("blocks.", "layers."), ("norm1", "ln1"), ("norm2", "ln2"), ("mlp.fc1", "ffn.layers.0.0"),
        ("mlp.fc2", "ffn.layers.1"), ("patch_embed.proj.", "patch_embed.projection.")]
    out = {}
    for name, tensor in vit().state_dict().items():
        if name.startswith("norm."):
            name = name.replace("norm.", "ln1.")
        for old, new in names:
            name = name.replace(old, new)
        out[name] = list(tensor.shape)
    return [("state_dict.backbone.", out)]


def main():
    r18, small = resnet().state_dict(), resnet(small=True).state_dict()
    vits = vit().state_dict()
    solo = (
        single("state_dict.queue", 2, 256, 1024) + single("state_dict.classifier.weight", 10, 512)
        + single("state_dict.projector.0.weight", 2048, 512))
    files = {
        "lightly 1.6.0, MoCo example": lightly_moco(),
        "children without pooling, 3×3 stem": without_pooling(),
        # solo/methods/base.py of 1.0.2 and 1.0.6.
        "solo-learn 1.0.2": two("state_dict.encoder.", "state_dict.momentum_encoder.", small) + solo,
        "solo-learn 1.0.6": two("state_dict.backbone.", "state_dict.momentum_backbone.", small) + solo,
        # mmselfsup 0.x: encoder_q = Sequential(backbone, neck); mmpretrain 1.2.0: encoder_k is an average of both.
        "mmselfsup 0.11": shapes(r18, "state_dict.backbone.") + two(
            "state_dict.encoder_q.0.", "state_dict.encoder_k.0.", r18),
        "mmpretrain 1.2.0, MoCo": two(
            "state_dict.backbone.", "state_dict.encoder_k.module.0.", r18) + single("state_dict.queue", 128, 64),
        "mmpretrain 1.2.0, ViT": mmpretrain_vit(),
        "VISSL 0.1.6": shapes(r18, "classy_state_dict.base_model.model.trunk._feature_blocks."),
        "DINO": two("student.module.backbone.", "teacher.backbone.", vits)
        + single("student.module.head.mlp.0.weight", 2048, 384) + single("teacher.head.mlp.0.weight", 2048, 384),
        "lightly-train 0.18.0, DINO": two(
            "state_dict.student_embedding_model.wrapped_model._features.",
            "state_dict.teacher_embedding_model.wrapped_model._features.", r18),
        "timm 1.0.31, averaged": two("state_dict.", "state_dict_ema.", torchvision.models.resnet18().state_dict()),
        "BYOL": two("online_encoder.net.", "target_encoder.net.", r18),
        "transformers 5.24.0, ResNet": transformers_resnet(),
        "transformers 5.24.0 and 4.57.0, ViT on disk": transformers_vit(memory=False),
        "transformers 5.24.0, ViT in memory": transformers_vit(memory=True),
        "torchvision 0.26.0, vit_b_16": shapes(torchvision.models.vit_b_16().state_dict()),
    }
    tables, kinds, rows = [], [], []
    for name, parts in files.items():
        row = []
        for prefix, table in parts:
            for shape in table.values():
                if shape not in kinds:
                    kinds.append(shape)
            table = {tensor: kinds.index(shape) for tensor, shape in table.items()}
            if table not in tables:
                tables.append(table)
            row.append({"prefix": prefix, "table": tables.index(table)})
        rows.append({"name": name, "parts": row})
    text = json.dumps(
        {"shapes": kinds, "tables": tables, "files": rows}, separators=(",", ":"), ensure_ascii=False)
    (here / "library_names.json").write_text(text + "\n")
    print(len(text), "bytes")


main()
