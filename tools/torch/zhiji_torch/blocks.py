"""The blocks of docs/bundle.md as modules: the shallow ones.

A block has a `kind` and a name, `spec()` for the bundle's JSON, `tensors()` for its file, and computes its numbers, [n, width], from a batch and
from what the blocks before it gave.
"""

import torch
from torch import nn

from .batch import ID, NOTHING, UNKNOWN


class Block(nn.Module):
    """What all blocks share."""

    kind = ""

    def __init__(self, width, name=None, of=()):
        super().__init__()
        self.name, self.of, self.width = name or self.kind, tuple(of), width
        self.features, self.hashed = (), ()

    def spec(self):
        spec = {"block": self.kind}
        if self.name != self.kind:
            spec["name"] = self.name
        for key in ("features", "hashed"):
            if getattr(self, key):
                spec[key] = list(getattr(self, key))
        if self.of:
            spec["of"] = [block.name for block in self.of]
        return spec

    def tensors(self):
        """The block's tensors, by their names behind the block's own."""
        return {}

    def connect(self, features, fields):
        """Finds the block's features and fields among those of the model."""
        self.register_buffer("picks", torch.tensor([features.index(name) for name in self.features], dtype=torch.int64))
        self.places = [fields.index(name) for name in self.hashed]

    def read(self, batch):
        """The block's dense features, [n, features]."""
        return batch.dense[:, self.picks]

    def buckets(self, batch, count):
        """Buckets of the words that the block hashes, and which of them are there, [n, words] each."""
        there = torch.zeros_like(batch.own)
        for place in self.places:
            there |= batch.word_field == place
        return (batch.word % count).clamp(min=0), there

    def joined(self, given):
        """What the blocks that it reads gave, one behind the other."""
        return torch.cat([given[block.name] for block in self.of], dim=1)


def mean_of(table, buckets, there):
    """The mean of the rows that are there; zeros where there is none. Over the last dimension of `buckets`."""
    there = there.unsqueeze(-1).to(table.dtype)
    return (table[buckets] * there).sum(-2) / there.sum(-2).clamp(min=1)


class Standardised(Block):
    """A block that reads dense features less their mean, by their scale: set both from training data with `fit`."""

    def __init__(self, width, name, features):
        super().__init__(width, name)
        self.features = tuple(features)
        self.register_buffer("mean", torch.zeros(len(features)))
        self.register_buffer("scale", torch.ones(len(features)))

    def fit(self, batch):
        x = self.read(batch)
        self.mean.copy_(x.mean(0))
        self.scale.copy_(x.std(0, unbiased=False).clamp(min=1e-3))

    def standardised(self, batch):
        return (self.read(batch) - self.mean) / self.scale


class Dense(Standardised):
    kind = "dense"

    def __init__(self, features, side="pair", name=None):
        super().__init__(len(features), name, features)
        self.side = side

    def spec(self):
        return super().spec() | ({"side": self.side} if self.side != "pair" else {})

    def tensors(self):
        return {"mean": self.mean, "scale": self.scale}

    def forward(self, batch, given):
        return self.standardised(batch)


class Embed(Block):
    kind = "embed"

    def __init__(self, hashed, buckets, width, name=None):
        super().__init__(width, name)
        self.hashed = tuple(hashed)
        self.table = nn.Parameter(0.1 * torch.randn(buckets, width))

    def tensors(self):
        return {"table": self.table}

    def forward(self, batch, given):
        return mean_of(self.table, *self.buckets(batch, len(self.table)))


class Item(Block):
    """Rows of items, in the order of the model's `items`; `words` buckets for items without a row, 0 for none; `bias` for `Vector`."""

    kind = "item"

    def __init__(self, items, width, words=0, bias=False, name=None):
        super().__init__(width, name)
        self.vectors = nn.Parameter(0.1 * torch.randn(items, width))
        self.bias = nn.Parameter(torch.zeros(items)) if bias else None
        self.words = nn.Parameter(0.1 * torch.randn(words, width)) if words else None

    def tensors(self):
        return {"vectors": self.vectors, "bias": self.bias, "words": self.words}

    def rows(self, row, word, there):
        vectors = self.vectors[row.clamp(min=0)] * (row >= 0).unsqueeze(-1)
        if self.words is None:
            return vectors
        told = mean_of(self.words, (word % len(self.words)).clamp(min=0), there)
        return torch.where((row == UNKNOWN).unsqueeze(-1), told, vectors)

    def forward(self, batch, given):
        return self.rows(batch.row, batch.word, batch.own & (batch.word != NOTHING))

    def history(self, batch, most):
        """Vectors of the newest recent items, the newest first, and which of them are there: [n, most, width] and [n, most]."""
        recent, word = batch.recent[:, :most], batch.recent_word[:, :most]
        return self.rows(recent, word, word != NOTHING), recent != NOTHING

    def bias_of(self, batch):
        return 0.0 if self.bias is None else self.bias[batch.row.clamp(min=0)] * (batch.row >= 0)


class Recent(Block):
    kind = "recent"

    def __init__(self, item, decay, name=None):
        super().__init__(item.width, name, [item])
        self.decay = decay

    def spec(self):
        return super().spec() | {"decay": self.decay}

    def forward(self, batch, given):
        vectors, there = self.of[0].history(batch, batch.recent.shape[1])
        shares = self.decay ** torch.arange(there.shape[1], dtype=vectors.dtype) * there
        total = shares.sum(1, keepdim=True)
        return torch.einsum("na,nak->nk", shares, vectors) / torch.where(total > 0, total, 1.0)


class Wide(Standardised):
    kind = "wide"

    def __init__(self, features=(), hashed=(), buckets=0, name=None):
        super().__init__(1, name, features)
        self.hashed = tuple(hashed)
        self.weight = nn.Parameter(torch.zeros(len(features))) if features else None
        self.table = nn.Parameter(torch.zeros(buckets)) if hashed else None
        self.bias = nn.Parameter(torch.zeros(1))

    def tensors(self):
        dense = {"weight": self.weight, "mean": self.mean, "scale": self.scale} if self.features else {}
        return dense | {"bias": self.bias, "hashed": self.table}

    def forward(self, batch, given):
        out = self.bias.expand(len(batch), 1)
        if self.features:
            out = out + (self.standardised(batch) @ self.weight).unsqueeze(1)
        if self.hashed:
            buckets, there = self.buckets(batch, len(self.table))
            out = out + (self.table[buckets] * there).sum(1, keepdim=True)
        return out


class Fm(Block):
    kind = "fm"

    def __init__(self, width, features=(), hashed=(), buckets=0, name=None):
        super().__init__(1, name)
        self.features, self.hashed, self.bucket_count = tuple(features), tuple(hashed), buckets
        rows = len(features) + buckets
        self.weight, self.bias = nn.Parameter(torch.zeros(rows)), nn.Parameter(torch.zeros(1))
        self.factors = nn.Parameter(0.1 * torch.randn(rows, width))

    def tensors(self):
        return {"bias": self.bias, "weight": self.weight, "factors": self.factors}

    def forward(self, batch, given):
        x, rows = self.read(batch), torch.arange(len(self.features)).expand(len(batch), -1)
        if self.hashed:
            buckets, there = self.buckets(batch, self.bucket_count)
            x = torch.cat([x, there.to(x.dtype)], 1)
            rows = torch.cat([rows, buckets + len(self.features)], 1)
        v = self.factors[rows] * x.unsqueeze(-1)
        pairs = 0.5 * (v.sum(1).square() - v.square().sum(1)).sum(1)
        return (self.bias + (self.weight[rows] * x).sum(1) + pairs).unsqueeze(1)


class Covisit(Block):
    """A table that counting gives, not descent: for each row of an item the pairs of a following row and its byte."""

    kind = "covisit"

    def __init__(self, rows, scale, decay, name=None):
        super().__init__(1, name)
        self.decay = decay
        rows = [sorted(row) for row in rows]
        self.entries = {(at, to): byte for at, row in enumerate(rows) for to, byte in row}
        ends = torch.tensor([len(row) for row in rows]).cumsum(0)
        self.register_buffer("offset", torch.cat([torch.zeros(1, dtype=ends.dtype), ends]).to(torch.int32))
        self.register_buffer("neighbour", torch.tensor([to for row in rows for to, _ in row], dtype=torch.int32))
        self.register_buffer("byte", torch.tensor([byte for row in rows for _, byte in row], dtype=torch.uint8))
        self.register_buffer("scale", torch.as_tensor(scale, dtype=torch.float32))

    def spec(self):
        return super().spec() | {"decay": self.decay}

    def tensors(self):
        return {"offset": self.offset, "neighbour": self.neighbour, "byte": self.byte, "scale": self.scale}

    def forward(self, batch, given):
        out = torch.zeros(len(batch), 1, dtype=batch.dense.dtype)
        for at, (row, recent) in enumerate(zip(batch.row.tolist(), batch.recent.tolist())):
            for age, before in enumerate(recent):
                if before >= 0 and row >= 0:
                    out[at] += self.decay**age * self.scale[before] * self.entries.get((before, row), 0)
        return out


class Vector(Block):
    """A user's vector times an item's."""

    kind = "vector"

    def __init__(self, user, item, name=None):
        super().__init__(1, name, [user, item])

    def forward(self, batch, given):
        user, item = self.of
        return (given[user.name] * given[item.name]).sum(1, keepdim=True) + torch.as_tensor(item.bias_of(batch)).reshape(-1, 1)


class Mean(Block):
    """An ensemble; over `probabilities` the numbers are logits, and so is their mean."""

    kind = "mean"

    def __init__(self, of, over=None, name=None):
        super().__init__(of[0].width, name, of)
        self.over = over

    def spec(self):
        return super().spec() | ({"over": self.over} if self.over else {})

    def forward(self, batch, given):
        all_of = torch.stack([given[block.name] for block in self.of])
        return torch.logit(all_of.sigmoid().mean(0)) if self.over else all_of.mean(0)


class Product(Block):
    kind = "product"

    def __init__(self, of, name=None):
        super().__init__(of[0].width, name, of)

    def forward(self, batch, given):
        return torch.stack([given[block.name] for block in self.of]).prod(0)


__all__ = ["Covisit", "Dense", "Embed", "Fm", "ID", "Item", "Mean", "Product", "Recent", "Vector", "Wide"]
