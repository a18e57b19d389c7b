#!/usr/bin/env bash
# transformers 5.24.0 and 4.57.1 with torch 2.13.0, seen 2026-11-28.
# In 5.24 a ViT has two sets of parameter names: state_dict() says `layers.0.attention.q_proj.weight`, and
# save_pretrained writes `encoder.layer.0.attention.attention.query.weight` as 4.x did. 8 of 40 names are the same.
# from_pretrained of 4.57 loads a checkpoint made by torch.save(model.state_dict()) with RANDOM blocks: it logs a
# warning and raises no error.
# Training loops save by torch.save; evaluation code (probes, kNN) is often pinned to 4.x. Its features then come from
# random blocks, other ones at every start, in the right shape and scale.
# Cure: save_pretrained for everything that leaves the run.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HF_HOME="$work/cache" HF_HUB_OFFLINE=1
python3 -m venv "$work/venv"

in_version() {
  "$work/venv/bin/pip" install -q --disable-pip-version-check "transformers==$1" torch==2.13.0 numpy==2.4.6
  "$work/venv/bin/python" -W ignore - "$work" 2>"$work/log" || { cat "$work/log"; exit 1; }
}

in_version 5.24.0 <<'PY'
import os
import shutil
import sys

import torch
import transformers
from safetensors.torch import load_file
from transformers import ViTConfig, ViTModel

print("transformers", transformers.__version__, "torch", torch.__version__)
saved, by_torch = f"{sys.argv[1]}/saved", f"{sys.argv[1]}/by_torch"
torch.manual_seed(0)
sizes = {"hidden_size": 32, "intermediate_size": 64, "image_size": 16, "patch_size": 8}
model = ViTModel(ViTConfig(num_hidden_layers=2, num_attention_heads=2, **sizes)).eval()
model.save_pretrained(saved)
os.mkdir(by_torch)
shutil.copy(f"{saved}/config.json", by_torch)
torch.save(model.state_dict(), f"{by_torch}/pytorch_model.bin")
images = torch.randn(2, 3, 16, 16)
torch.save((images, model(images).last_hidden_state.detach()), f"{sys.argv[1]}/features.pt")

in_memory, on_disk = model.state_dict(), load_file(f"{saved}/model.safetensors")
shared = in_memory.keys() & on_disk.keys()
print(f"  {len(in_memory)} names in memory, {len(on_disk)} on disk, {len(shared)} in both")
print("  in memory:", next(name for name in in_memory if "attention" in name))
print("  on disk:  ", next(name for name in sorted(on_disk) if "attention" in name))
assert (len(in_memory), len(on_disk), len(shared)) == (40, 40, 8), "the behaviour changed"
PY

in_version 4.57.1 <<'PY'
import sys

import torch
import transformers
from transformers import ViTModel

print("transformers", transformers.__version__, "torch", torch.__version__)
images, expected = torch.load(f"{sys.argv[1]}/features.pt")


def difference(one, other):
    return float((one - other).detach().abs().max())


for name, is_right in ("saved", True), ("by_torch", False):
    first, second = (
        ViTModel.from_pretrained(f"{sys.argv[1]}/{name}").eval()(images).last_hidden_state for _ in range(2)
    )
    print(f"  {name}: features differ from those of the model by {difference(first, expected):.2g},", end=" ")
    print(f"two loads of the file differ by {difference(first, second):.2g}")
    if is_right:
        assert difference(first, expected) < 1e-4 and difference(first, second) == 0, "the behaviour changed"
    else:
        assert difference(first, expected) > 0.1 and difference(first, second) > 0.1, "the behaviour changed"
PY
