"""Tiers, tasks, calibrations and blends over the blocks; from a model to the file that `zhiji pack` takes."""

import json
from dataclasses import dataclass

import torch
from safetensors.torch import save_file
from torch import nn

from .batch import Batch, Example, item_key, key_of, word_key


@dataclass
class Task:
    """One task of a tier: its logit is the sum of what the blocks `of` give, each times its gain.

    `calibration` is None or, as docs/bundle.md has it, {"platt": [a, b]}, {"steps": [[z, y], …]} or {"line": [[z, y], …]}.
    """

    label: str
    of: list
    gains: list | None = None
    calibration: dict | None = None

    def spec(self):
        spec = {"label": self.label, "of": [block.name for block in self.of]}
        return spec | ({"gains": self.gains} if self.gains else {}) | ({"calibration": self.calibration} if self.calibration else {})

    def logit(self, given, number, tasks):
        total = 0.0
        for block, gain in zip(self.of, self.gains or [1.0] * len(self.of)):
            out = given[block.name]
            total = total + gain * out[:, 0 if block.width == 1 else number]
        return self.calibrated(total)

    def calibrated(self, z):
        if not self.calibration:
            return z
        (how, values), = self.calibration.items()
        if how == "platt":
            return values[0] * z + values[1]
        x, y = torch.tensor(values, dtype=z.dtype).T.contiguous()
        last = torch.searchsorted(x, z.contiguous(), right=True) - 1
        if how == "steps":
            return y[last.clamp(min=0)]
        low = last.clamp(0, len(x) - 2)
        share = ((z - x[low]) / (x[low + 1] - x[low])).clamp(0, 1)
        return y[low] + share * (y[low + 1] - y[low])


@dataclass
class Tier:
    """`blend` is None, {"powers": [w, …]} or {"sum": [w, …]}."""

    tasks: list
    blend: dict | None = None

    def spec(self):
        return {"tasks": [task.spec() for task in self.tasks]} | ({"blend": self.blend} if self.blend else {})

    def numbers(self, given):
        """The logits of the tasks, and behind them the score of the blend where there is one: [n, numbers]."""
        logits = [task.logit(given, at, len(self.tasks)) for at, task in enumerate(self.tasks)]
        if self.blend:
            (how, weights), = self.blend.items()
            shares = torch.tensor(weights, dtype=logits[0].dtype) / sum(weights)
            p = torch.stack(logits, 1).sigmoid()
            blended = (p.log() * shares).sum(1).exp() if how == "powers" else (p * shares).sum(1)
            logits.append(torch.logit(blended))
        return torch.stack(logits, 1)


class Model(nn.Module):
    """A ranker. `items` are the ids that have rows, `fields` the fields that the schema must have."""

    def __init__(self, space, blocks, tiers, items=(), fields=()):
        super().__init__()
        self.space, self.tiers, self.items, self.schema_fields = space, tiers, [item_key(item) for item in items], list(fields)
        self.blocks = nn.ModuleList(blocks)
        self.rows = {key: row for row, key in enumerate(self.items)}
        self.features, self.fields = [], []
        for block in blocks:
            self.features += [name for name in block.features if name not in self.features]
            self.fields += [name for name in block.hashed if name not in self.fields]
        for block in blocks:
            block.connect(self.features, self.fields)

    def batch(self, examples, dtype=torch.float32):
        return Batch(examples, self.features, self.fields, self.rows, dtype)

    def forward(self, batch, tier=0):
        """The logits of a tier's tasks, and the score of its blend where it has one: [n, numbers]."""
        given = {}
        for block in self.blocks:
            given[block.name] = block(batch, given)
        return self.tiers[tier].numbers(given)

    def spec(self, probes=()):
        """The text under the key `zhiji`; the probes promise what this model answers, in double precision."""
        spec = {
            "format": 1,
            "space": self.space,
            "schema": {"fields": self.schema_fields},
            "ranker": {"blocks": [block.spec() for block in self.blocks], "tiers": [tier.spec() for tier in self.tiers]},
            "probes": [self.question(example) for example in probes],
        }
        if probes:
            for probe, logits in zip(spec["probes"], self.answers(probes)):
                probe["logits"] = logits
        return spec

    def question(self, example: Example):
        digits = lambda key: f"{key:016x}"
        single = lambda x: float(torch.tensor(x, dtype=torch.float32))
        return {
            "dense": [single(example.dense[name]) for name in self.features],
            "item": digits(item_key(example.item)),
            "words": [[name, digits(word_key(name, word))] for name, word in example.words],
            "recent": [{"item": digits(item_key(item)), "words": [digits(key_of(word)) for word in words]} for item, words in example.recent],
        }

    @torch.no_grad()
    def answers(self, examples):
        """The logits of every tier for each example, of the single precision weights in double precision."""
        was = next(self.parameters(), torch.zeros(1)).dtype
        single = [Example({k: float(torch.tensor(v, dtype=torch.float32)) for k, v in e.dense.items()}, e.item, e.words, e.recent) for e in examples]
        self.double()
        batch = self.batch(single, torch.float64)
        answers = torch.cat([self(batch, tier) for tier in range(len(self.tiers))], 1).tolist()
        self.to(was)
        return answers

    def tensors(self):
        out = {}
        if self.items:
            # The bits count: a signed type stands for the unsigned one.
            out["items.ids"] = torch.tensor([key - (1 << 64) if key >> 63 else key for key in self.items], dtype=torch.int64)
        for block in self.blocks:
            for part, tensor in block.tensors().items():
                if tensor is not None:
                    tensor = tensor.detach()
                    out[f"{block.name}.{part}"] = (tensor.float() if tensor.is_floating_point() else tensor).contiguous()
        return out

    def export(self, path, probes):
        """Writes weights and spec for `zhiji pack`. Give some real examples as probes: phones compute them before the model goes live."""
        save_file(self.tensors(), path, metadata={"zhiji": json.dumps(self.spec(probes), ensure_ascii=False)})


__all__ = ["Model", "Task", "Tier"]
