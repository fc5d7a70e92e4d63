"""Trains a linear model with hashed words on several processes or machines, each with its own shards of the examples.

    zhiji features films --label like --shard 0/2 --out part-0.safetensors      # each machine makes its own
    zhiji features films --label like --shard 1/2 --out part-1.safetensors
    torchrun --nproc-per-node 2 examples/torchrun_train.py 'part-*.safetensors' weights.safetensors
    zhiji pack weights.safetensors --probes part-0.safetensors --out like.safetensors

Needs torch, numpy and safetensors. Users are whole within a shard, so the processes need not speak of the data at all: they add up their counts
for the standardisation once, and their gradients at every step.
"""

import glob
import json
import os
import sys

import numpy as np
import torch
import torch.distributed as dist
from safetensors import safe_open
from safetensors.torch import save_file
from torch.distributed.algorithms.join import Join
from torch.nn.parallel import DistributedDataParallel

BUCKETS, BATCH, RATE, DECAY = 1 << 15, 256, 0.01, 1e-5
EPOCHS = int(os.environ.get("EPOCHS", "6"))


def load(paths):
    """The examples of these files, one behind the other."""
    about, parts = None, []
    for path in paths:
        with safe_open(path, "np") as file:
            about = json.loads(file.metadata()["zhiji.examples"])
            part = {name: file.get_tensor(name) for name in file.keys()}
            ids = part["keys"][part["key_fields"] == about["idField"]].astype(np.uint64)  # one for each example, in their order
            # The bucket of a hash: docs/bundle.md, "Hashes".
            part["bucket"] = ((ids >> np.uint64(32)) % np.uint64(BUCKETS)).astype(np.int64)
            parts.append(part)
    names = ["dense", "label", "split", "bucket"]
    return about, {name: torch.from_numpy(np.concatenate([part[name] for part in parts])) for name in names}


class Wide(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, 1)
        self.hashed = torch.nn.Embedding(BUCKETS, 1)
        torch.nn.init.zeros_(self.linear.weight)
        torch.nn.init.zeros_(self.linear.bias)
        torch.nn.init.zeros_(self.hashed.weight)

    def forward(self, dense, bucket):
        return (self.linear(dense) + self.hashed(bucket)).squeeze(1)


def everywhere(tensor):
    """The sum over all processes."""
    dist.all_reduce(tensor)
    return tensor


def main(pattern, out):
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    paths = sorted(glob.glob(pattern))
    if len(paths) < world:
        sys.exit(f"{len(paths)} shards for {world} processes: give each at least one")
    about, data = load(paths[rank::world])
    train, valid = data["split"] == 0, data["split"] == 1

    dense = data["dense"].double()
    count = everywhere(train.sum().double())
    mean = everywhere(dense[train].sum(0)) / count
    scale = (everywhere(((dense[train] - mean) ** 2).sum(0)) / count).sqrt()
    varies = scale > 1e-6
    names = [name for name, keep in zip(about["features"], varies.tolist()) if keep]
    mean, scale = mean[varies], scale[varies]
    x, label = ((dense[:, varies] - mean) / scale).float(), data["label"].float()

    torch.manual_seed(1)
    model = DistributedDataParallel(Wide(len(names)))
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=DECAY)
    loss_of = torch.nn.BCEWithLogitsLoss()
    order = torch.Generator().manual_seed(rank)
    for epoch in range(EPOCHS):
        rows = train.nonzero().squeeze(1)
        rows = rows[torch.randperm(len(rows), generator=order)]
        with Join([model]):  # shards are of unequal length
            for batch in rows.split(BATCH):
                optimiser.zero_grad()
                loss_of(model(x[batch], data["bucket"][batch]), label[batch]).backward()
                optimiser.step()
        with torch.no_grad():
            logits = model.module(x[valid], data["bucket"][valid])
            total = torch.nn.functional.binary_cross_entropy_with_logits(logits, label[valid], reduction="sum").double()
        found = everywhere(total) / everywhere(valid.sum().double()).clamp(min=1)
        if rank == 0:
            print(f"epoch {epoch + 1}: valid {found:.4f}", flush=True)

    if rank == 0:
        spec = {
            "format": 1,
            "space": about["space"],
            "schema": {"fields": []},
            "ranker": {
                "blocks": [{"block": "wide", "features": names, "hashed": ["id"]}],
                "tiers": [{"tasks": [{"label": about["label"], "of": ["wide"]}]}],
            },
        }
        tensors = {
            "wide.weight": model.module.linear.weight[0].detach().clone(),
            "wide.bias": model.module.linear.bias.detach().clone(),
            "wide.mean": mean.float(),
            "wide.scale": scale.float(),
            "wide.hashed": model.module.hashed.weight[:, 0].detach().clone(),
        }
        save_file(tensors, out, metadata={"zhiji": json.dumps(spec)})
    dist.destroy_process_group()


main(*sys.argv[1:])
