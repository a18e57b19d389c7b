"""Writes layer_decay.json with timm 1.0.31: groups of parameters with layer-wise rates, and rates of drop path.

groups: per network, in timm's order, the factor of the learning rate, whether there is weight decay, and the names.
drop_path: per network the rate of each block, of both of its branches in a transformer.
"""

import json
import logging
from pathlib import Path

import timm
from timm.layers import DropPath
from timm.optim import param_groups_layer_decay

HERE = Path(__file__).parent
DECAYS = {"vit_small": ("vit_small_patch16_224", 0.65), "resnet50": ("resnet50", 0.75)}
RATE = 0.2


def groups(name, decay):
    model = timm.create_model(name, pretrained=False)
    # Names, for the groups hold tensors alone.
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = param_groups_layer_decay(
        model, weight_decay=0.05, no_weight_decay_list=model.no_weight_decay() if "vit" in name else (),
        layer_decay=decay)
    return [
        {"scale": group["lr_scale"], "is_decayed": group["weight_decay"] > 0,
         "names": [names[id(parameter)] for parameter in group["params"]]} for group in found]


def drop_path(name):
    model = timm.create_model(name, pretrained=False, drop_path_rate=RATE)
    blocks = model.blocks if "vit" in name else [b for n in range(1, 5) for b in getattr(model, f"layer{n}")]
    def rates(block):
        paths = [block.drop_path1, block.drop_path2] if "vit" in name else [block.drop_path]
        return [path.drop_prob if isinstance(path, DropPath) else 0.0 for path in paths]
    return [rates(block) for block in blocks]


def main():
    logging.disable()
    result = {
        "timm": timm.__version__,
        "decays": {name: decay for name, (_, decay) in DECAYS.items()},
        "rate": RATE,
        "groups": {name: groups(*arguments) for name, arguments in DECAYS.items()},
        "drop_path": {name: drop_path(timm_name) for name, (timm_name, _) in DECAYS.items()},
    }
    (HERE / "layer_decay.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
