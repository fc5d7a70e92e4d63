"""The blocks of docs/bundle.md as modules: those over the sequence of recent items."""

import torch
from torch import nn

from .batch import HISTORY_MOST
from .blocks import Block
from .layers import Layer


class Attention(Block):
    """DIN: every recent item is weighed against the item at hand."""

    kind = "attention"

    def __init__(self, item, widths, history=HISTORY_MOST, activation="relu", softmax=False, bias=True, name=None):
        super().__init__(item.width, name, [item])
        self.widths, self.history, self.activation, self.softmax = tuple(widths), history, activation, softmax
        sizes = [4 * item.width, *widths]
        self.layers = nn.ModuleList(
            Layer(i, o, "none" if at + 1 == len(widths) else activation, bias=bias) for at, (i, o) in enumerate(zip(sizes, sizes[1:]))
        )

    def spec(self):
        spec = super().spec() | {"widths": list(self.widths), "history": self.history, "activation": self.activation}
        return spec | ({"softmax": True} if self.softmax else {})

    def tensors(self):
        return {f"{at}.{part}": tensor for at, layer in enumerate(self.layers) for part, tensor in layer.tensors().items()}

    def forward(self, batch, given):
        vectors, there = self.of[0].history(batch, self.history)
        own = given[self.of[0].name].unsqueeze(1).expand_as(vectors)
        x = torch.cat([vectors, own, vectors - own, vectors * own], -1)
        for layer in self.layers:
            x = layer(x)
        weight = x.squeeze(-1)
        if self.softmax:
            # Where there is nothing the sum is nothing, whatever the weights.
            weight = torch.where(there, weight, -torch.inf).softmax(1).nan_to_num(0.0)
        return torch.einsum("na,nak->nk", weight * there, vectors)


class EncoderLayer(nn.Module):
    """A layer under the names of `nn.TransformerEncoderLayer`, with the three places that a norm may have."""

    def __init__(self, width, heads, hidden, norm, epsilon):
        super().__init__()
        self.placing = norm
        self.self_attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.linear1, self.linear2 = nn.Linear(width, hidden), nn.Linear(hidden, width)
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=epsilon), nn.LayerNorm(width, eps=epsilon)

    def attend(self, queries, x, masks):
        return self.self_attn(queries, x, x, attn_mask=masks, need_weights=False)[0]

    def feed(self, x):
        return self.linear2(torch.relu(self.linear1(x)))

    def forward(self, x, mask):
        if self.placing == "pre":
            y = self.norm1(x)
            x = x + self.attend(y, y, mask)
            return x + self.feed(self.norm2(x))
        if self.placing == "post":
            x = self.norm1(x + self.attend(x, x, mask))
            return self.norm2(x + self.feed(x))
        y = self.norm1(x)
        x = self.norm2(y + self.attend(y, x, mask))
        return x + self.feed(x)


class Sequence(Block):
    """SASRec: a causal transformer encoder over the recent items, read at the newest of them."""

    kind = "sequence"

    def __init__(self, item, layers, heads, hidden, norm="pre", positions="newest", scale=1.0, epsilon=1e-5, most=HISTORY_MOST, final=True, name=None):
        super().__init__(item.width, name, [item])
        k = item.width
        self.heads, self.placing, self.positions, self.scale, self.epsilon = heads, norm, positions, scale, epsilon
        self.position = nn.Embedding(most, k)
        self.layers = nn.ModuleList(EncoderLayer(k, heads, hidden, norm, epsilon) for _ in range(layers))
        self.norm = nn.LayerNorm(k, eps=epsilon) if final else None

    def spec(self):
        spec = super().spec() | {"layers": len(self.layers), "heads": self.heads, "norm": self.placing}
        return spec | {"positions": self.positions, "scale": self.scale, "epsilon": self.epsilon}

    def tensors(self):
        names = ("position.", "layers.", "norm.")
        return {name: tensor for name, tensor in self.state_dict().items() if name.startswith(names)}

    def forward(self, batch, given):
        vectors, there = self.of[0].history(batch, len(self.position.weight))
        n, length, width = vectors.shape
        if length == 0:
            return vectors.new_zeros(n, width)
        # In the order of time; what is there stands at the end.
        vectors, there = vectors.flip(1), there.flip(1)
        age = torch.arange(length - 1, -1, -1).expand(n, -1)
        place = age if self.positions == "newest" else there.sum(1, keepdim=True) - 1 - age
        x = vectors * self.scale + self.position(place.clamp(min=0))
        # True forbids; what is not there sees itself, so that no row of the softmax is empty.
        causal = torch.ones(length, length, dtype=torch.bool).triu(1)
        mask = (causal | ~there.unsqueeze(1)) & ~torch.eye(length, dtype=torch.bool)
        mask = mask.repeat_interleave(self.heads, 0)
        for layer in self.layers:
            x = layer(x, mask)
        x = x[:, -1]
        x = x if self.norm is None else self.norm(x)
        return x * there.any(1, keepdim=True)


__all__ = ["Attention", "Sequence"]
