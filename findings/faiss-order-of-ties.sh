#!/usr/bin/env bash
# faiss-cpu 1.15.1 with numpy 2.4.6, seen 2026-11-28.
# Exact search lists equal distances in opposite orders: IndexFlatL2 the lowest id first, IndexFlatIP the HIGHEST id
# first. Both find the k lowest ids, so for inner products the first neighbour changes with k: it is id 0 for k = 1 and
# id k − 1 for a larger k.
# Data sets hold copies of images, often with different labels, and the features of copies tie exactly. The nearest
# neighbour of a search for 20 is then not that of a search for 1, and a kNN accuracy by cosine (inner product) differs
# from that by L2 distance of the same unit vectors.
# Cure: sort by distance, then by id, before the vote.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check faiss-cpu==1.15.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import faiss
import numpy as np

print("faiss", faiss.__version__, "numpy", np.__version__)
# Four copies of one unit vector with labels 0 to 3, then two other vectors.
bank = np.eye(4, dtype=np.float32)[[0, 0, 0, 0, 1, 2]]
query = bank[:1]
for index, expected in (
    (faiss.IndexFlatL2(4), {1: [0], 2: [0, 1], 3: [0, 1, 2], 4: [0, 1, 2, 3]}),
    (faiss.IndexFlatIP(4), {1: [0], 2: [1, 0], 3: [2, 1, 0], 4: [3, 2, 1, 0]}),
):
    index.add(bank)
    found = {k: index.search(query, k)[1][0].tolist() for k in expected}
    print(f"{type(index).__name__}: ids of the k nearest: {found}")
    assert found == expected, "the behaviour changed"
    distances, ids = index.search(query, 4)
    assert (distances == distances[0, 0]).all(), "these are not ties"
    order = np.lexsort((ids[0], distances[0]))
    assert ids[0][order].tolist() == [0, 1, 2, 3], "the cure does not work"
PY
