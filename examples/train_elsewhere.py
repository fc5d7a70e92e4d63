"""Trains a linear model outside of Zhiji and brings it back as a bundle, in numpy alone.

    zhiji import movielens ml-latest-small --split time --out films
    zhiji features films --label like --out examples.safetensors
    python examples/train_elsewhere.py examples.safetensors weights.safetensors
    zhiji pack weights.safetensors --probes examples.safetensors --out like.safetensors
    zhiji evaluate films --bundle like.safetensors

Needs numpy and safetensors. The features are what the phone's own fold gave, so that nothing is computed twice in two languages; a deep
model reads the same file and names its tensors as docs/bundle.md does.
"""

import json
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

BUCKETS, EPOCHS, BATCH, RATE = 1 << 15, 6, 256, 0.01
PENALTY, PENALTY_HASHED = 1e-4, 3e-4


def bucket(keys):
    """The bucket of a hash: docs/bundle.md, "Hashes"."""
    return ((keys.astype(np.uint64) >> np.uint64(32)) % np.uint64(BUCKETS)).astype(np.int64)


def load(path):
    with safe_open(path, "np") as file:
        about = json.loads(file.metadata()["zhiji.examples"])
        return about, {name: file.get_tensor(name) for name in file.keys()}


def main(examples, out):
    about, data = load(examples)
    id_rows = bucket(data["keys"][data["key_fields"] == about["idField"]])  # one for each example, in their order
    dense, label, split = data["dense"].astype(np.float64), data["label"].astype(np.float64), data["split"]
    train, valid = split == 0, split == 1
    varies = dense[train].std(0) > 1e-6
    names = [name for name, keep in zip(about["features"], varies) if keep]
    dense = dense[:, varies]
    mean, scale = dense[train].mean(0), dense[train].std(0)
    x = (dense - mean) / scale

    weight, hashed, bias = np.zeros(len(names)), np.zeros(BUCKETS), 0.0
    steps = [np.zeros_like(weight), np.zeros_like(hashed), 0.0]  # Adagrad's sums of squares
    random = np.random.default_rng(1)
    logit = lambda rows: x[rows] @ weight + hashed[id_rows[rows]] + bias
    loss = lambda rows: np.mean(np.logaddexp(0, logit(rows)) - label[rows] * logit(rows))
    best = (np.inf, None)
    for epoch in range(EPOCHS):
        order = random.permutation(np.flatnonzero(train))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            error = 1 / (1 + np.exp(-logit(rows))) - label[rows]
            gradients = [x[rows].T @ error / len(rows) + PENALTY * weight, np.zeros(BUCKETS), error.mean()]
            np.add.at(gradients[1], id_rows[rows], error)
            touched = np.unique(id_rows[rows])
            gradients[1][touched] += PENALTY_HASHED * len(rows) * hashed[touched]
            for at, gradient in enumerate(gradients):
                steps[at] = steps[at] + gradient * gradient
            weight -= RATE * 5 * gradients[0] / np.sqrt(steps[0] + 1e-8)
            hashed[touched] -= RATE * 5 * gradients[1][touched] / np.sqrt(steps[1][touched] + 1e-8)
            bias -= RATE * 5 * gradients[2] / np.sqrt(steps[2] + 1e-8)
        found = loss(valid) if valid.any() else loss(train)
        print(f"epoch {epoch + 1}: train {loss(train):.4f}, valid {found:.4f}")
        if found < best[0]:
            best = (found, (weight.copy(), hashed.copy(), bias))
    weight, hashed, bias = best[1]

    spec = {
        "format": 1,
        "space": about["space"],
        "schema": {"fields": []},
        "ranker": {
            "blocks": [{"block": "wide", "features": names, "hashed": ["id"]}],
            "tiers": [{"tasks": [{"label": about["label"], "of": ["wide"]}]}],
        },
    }
    single = lambda numbers: np.asarray(numbers, dtype=np.float32)
    tensors = {
        "wide.weight": single(weight),
        "wide.mean": single(mean),
        "wide.scale": single(scale),
        "wide.bias": single([bias]),
        "wide.hashed": single(hashed),
    }
    save_file(tensors, out, metadata={"zhiji": json.dumps(spec)})


main(*sys.argv[1:])
