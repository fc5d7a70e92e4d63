"""Trains a linear block beside layers over features and words, with the linear block alone as the lighter tier.

    python tools/torch/example.py EXAMPLES.safetensors WEIGHTS.safetensors

EXAMPLES is what `zhiji features` wrote. See README.md beside this file for the commands around it.
"""

import json
import sys

import torch
from safetensors import safe_open

import zhiji_torch as zt

EPOCHS, BATCH, RATE, DECAY = 3, 512, 2e-3, 1e-4
PROBES = 8


def load(path):
    """The examples, their labels and their parts."""
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["zhiji.examples"])
        data = {name: file.get_tensor(name) for name in file.keys()}
    keys, fields = [key & zt.batch.MASK for key in data["keys"].tolist()], data["key_fields"].tolist()
    examples, start = [], 0
    for dense, end in zip(data["dense"].tolist(), data["key_ends"].tolist()):
        item, words = 0, []
        for key, field in zip(keys[start:end], fields[start:end]):
            if field == about["idField"]:
                item = key
            elif 0 <= field < len(about["fields"]):
                words.append((about["fields"][field], key))
        examples.append(zt.Example(dict(zip(about["features"], dense)), item, words))
        start = end
    return about, examples, data["label"].float(), data["split"]


def main(path, out):
    about, examples, label, split = load(path)
    torch.manual_seed(1)
    features = about["features"]
    users = [name for name in features if name.startswith(("user.", "time."))]
    pairs = [name for name in features if name not in users]
    wide = zt.Wide(features, [zt.ID, *about["fields"]], 4096)
    user, pair = zt.Dense(users, side="user", name="user"), zt.Dense(pairs, name="pair")
    embed = zt.Embed([zt.ID, *about["fields"]], 4096, 8)
    deep = zt.Mlp([user, pair, embed], [32, 16, 1], "silu", name="deep")
    full = zt.Tier([zt.Task(about["label"], [wide, deep])])
    light = zt.Tier([zt.Task(about["label"], [wide])])
    model = zt.Model(about["space"], [wide, user, pair, embed, deep], [full, light])

    batch = model.batch(examples)
    for block in (wide, user, pair):
        block.fit(batch)
    train = (split == 0).nonzero().flatten()
    optimiser = torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY)
    loss_of = torch.nn.functional.binary_cross_entropy_with_logits
    for epoch in range(EPOCHS):
        total = 0.0
        for rows in train[torch.randperm(len(train))].split(BATCH):
            part = batch.rows(rows)
            # Both tiers learn, so that the lighter one is a model of its own.
            loss = sum(loss_of(model(part, tier)[:, 0], label[rows]) for tier in (0, 1))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(rows)
        print(f"epoch {epoch + 1}: {total / len(train) / 2:.4f}")
    stride = max(1, len(examples) // PROBES)
    model.export(out, examples[::stride][:PROBES])


if __name__ == "__main__":
    main(*sys.argv[1:])
