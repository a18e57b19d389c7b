#!/usr/bin/env bash
# safetensors 0.8.0 with numpy 2.4.6, seen 2026-11-28.
# safetensors.numpy.save_file writes a transposed or Fortran-ordered array in the order of its memory, under the shape
# of its indices: the file loads without an error and the values are in other places. 0.7.0 wrote them right. The
# torch side raises an error for such tensors. Upstream: safetensors issue 825.
# Weights of JAX or TensorFlow are transposed on their way to PyTorch (`kernel.T`), and a PCA of features comes out in
# Fortran order: an encoder converted that way has the right names and shapes, and random features.
# Cure: np.ascontiguousarray before saving.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"

look() {
  "$work/venv/bin/pip" install -q --disable-pip-version-check "safetensors==$1" numpy==2.4.6
  "$work/venv/bin/python" - "$work" "$2" <<'PY'
import sys

import numpy as np
import safetensors
from safetensors.numpy import load_file, save_file

folder, expected = sys.argv[1:]
print(f"safetensors {safetensors.__version__}, numpy {np.__version__}")
kernel = np.arange(6, dtype=np.float32).reshape(3, 2)  # inputs × outputs
arrays = {
    "plain": kernel,
    "transposed": kernel.T,
    "fortran": np.asfortranarray(kernel),
    "contiguous": np.ascontiguousarray(kernel.T),
}
save_file(arrays, f"{folder}/weights.safetensors")
loaded = load_file(f"{folder}/weights.safetensors")
wrong = []
for name, array in arrays.items():
    same = np.array_equal(loaded[name], array)
    print(f"  {name:10} saved {array.tolist()}, loaded {loaded[name].tolist()}: {'same' if same else 'DIFFERENT'}")
    assert loaded[name].shape == array.shape
    if not same:
        wrong.append(name)
assert ",".join(wrong) == expected, f"the behaviour changed: wrong are {wrong}, expected {expected!r}"
PY
}

look 0.7.0 ""
look 0.8.0 "transposed,fortran"
