"""The blocks of docs/bundle.md as modules: layers, crosses, experts."""

import torch
from torch import nn

from .blocks import Block


class Activation(nn.Module):
    """`none`, `relu`, `prelu` (one slope for the layer) or `silu`."""

    def __init__(self, name):
        super().__init__()
        self.name = name
        self.alpha = nn.Parameter(torch.full((1,), 0.25)) if name == "prelu" else None

    def forward(self, x):
        if self.name == "prelu":
            return torch.where(x >= 0, x, self.alpha * x)
        return {"none": lambda x: x, "relu": torch.relu, "silu": nn.functional.silu}[self.name](x)


class Layer(nn.Module):
    """`activation(norm(W x + b))`; over groups there is one of them for each, and `x` is [n, groups, inputs]."""

    def __init__(self, inputs, outputs, activation, norm=False, bias=True):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias=bias)
        self.norm = nn.LayerNorm(outputs) if norm else None
        self.activation = Activation(activation)

    def forward(self, x):
        x = self.linear(x)
        return self.activation(x if self.norm is None else self.norm(x))

    def tensors(self):
        norm = self.norm
        return {
            "weight": self.linear.weight,
            "bias": self.linear.bias,
            "norm.weight": None if norm is None else norm.weight,
            "norm.bias": None if norm is None else norm.bias,
            "alpha": self.activation.alpha,
        }


class Mlp(Block):
    kind = "mlp"

    def __init__(self, of, widths, activation="relu", last="none", norm=False, bias=True, name=None):
        super().__init__(widths[-1], name, of)
        self.widths, self.activation, self.last, self.norm = tuple(widths), activation, last, norm
        inputs = [sum(block.width for block in of), *widths]
        self.layers = nn.ModuleList(
            Layer(i, o, last if at + 1 == len(widths) else activation, norm and at + 1 < len(widths), bias)
            for at, (i, o) in enumerate(zip(inputs, widths))
        )

    def spec(self):
        spec = super().spec() | {"widths": list(self.widths), "activation": self.activation}
        return spec | ({"last": self.last} if self.last != "none" else {}) | ({"norm": True} if self.norm else {})

    def tensors(self):
        return {f"{at}.{part}": tensor for at, layer in enumerate(self.layers) for part, tensor in layer.tensors().items()}

    def forward(self, batch, given):
        x = self.joined(given)
        for layer in self.layers:
            x = layer(x)
        return x


class Cross(Block):
    kind = "cross"

    def __init__(self, of, layers, rank=None, name=None):
        width = sum(block.width for block in of)
        super().__init__(width, name, of)
        self.rank, scale = rank, width**-0.5
        new = lambda *shape: nn.Parameter(scale * torch.randn(*shape))
        self.weight = nn.ParameterList(new(width, width) for _ in range(0 if rank else layers))
        self.u = nn.ParameterList(new(width, rank) for _ in range(layers if rank else 0))
        self.v = nn.ParameterList(new(rank, width) for _ in range(layers if rank else 0))
        self.bias = nn.ParameterList(nn.Parameter(torch.zeros(width)) for _ in range(layers))

    def spec(self):
        return super().spec() | {"layers": len(self.bias)} | ({"rank": self.rank} if self.rank else {})

    def tensors(self):
        parts = {"weight": self.weight, "u": self.u, "v": self.v, "bias": self.bias}
        return {f"{at}.{part}": tensor for part, list_of in parts.items() for at, tensor in enumerate(list_of)}

    def forward(self, batch, given):
        first = x = self.joined(given)
        for at, bias in enumerate(self.bias):
            step = x @ self.v[at].T @ self.u[at].T if self.rank else x @ self.weight[at].T
            x = first * (step + bias) + x
        return x


class Mmoe(Block):
    kind = "mmoe"

    def __init__(self, of, experts, tasks, widths, towers, activation="relu", name=None):
        super().__init__(tasks, name, of)
        self.counts, self.widths, self.towers, self.activation = (experts, tasks), tuple(widths), tuple(towers), activation
        inputs = sum(block.width for block in of)
        stack = lambda sizes, last: nn.ModuleList(
            Layer(i, o, last if at + 2 == len(sizes) else activation) for at, (i, o) in enumerate(zip(sizes, sizes[1:]))
        )
        self.experts = nn.ModuleList(stack([inputs, *widths], activation) for _ in range(experts))
        self.gates = nn.ModuleList(nn.Linear(inputs, experts) for _ in range(tasks))
        self.heads = nn.ModuleList(stack([widths[-1], *towers], "none") for _ in range(tasks))

    def spec(self):
        experts, tasks = self.counts
        shape = {"experts": experts, "tasks": tasks, "widths": list(self.widths), "towers": list(self.towers)}
        return super().spec() | shape | {"activation": self.activation}

    def tensors(self):
        out = {"gate.weight": torch.stack([gate.weight for gate in self.gates]), "gate.bias": torch.stack([gate.bias for gate in self.gates])}
        for part, stacks in (("expert", self.experts), ("tower", self.heads)):
            for at in range(len(stacks[0])):
                layers = [stack[at].tensors() for stack in stacks]
                for name in ("weight", "bias"):
                    out[f"{part}.{at}.{name}"] = torch.stack([layer[name] for layer in layers])
                if layers[0]["alpha"] is not None:
                    # One slope for each number of each expert.
                    width = layers[0]["bias"].shape[0]
                    out[f"{part}.{at}.alpha"] = torch.stack([layer["alpha"].expand(width) for layer in layers])
        return out

    def forward(self, batch, given):
        x, mixed = self.joined(given), []
        for expert in self.experts:
            y = x
            for layer in expert:
                y = layer(y)
            mixed.append(y)
        mixed, logits = torch.stack(mixed, 1), []
        for gate, tower in zip(self.gates, self.heads):
            y = (gate(x).softmax(1).unsqueeze(-1) * mixed).sum(1)
            for layer in tower:
                y = layer(y)
            logits.append(y)
        return torch.cat(logits, 1)


__all__ = ["Cross", "Mlp", "Mmoe"]
