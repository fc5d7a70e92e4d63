"""The examples that every contender learns from, as `zhiji features --recent` wrote them."""

import pathlib

import torch
from safetensors.torch import load_file


class Examples:
    """Tensors of the training examples: standardised features that vary, items by number, labels, and what was chosen lately."""

    def __init__(self, data, history):
        # `--on train`: no other part is among them.
        tensors = load_file(data / "examples.safetensors")
        dense = tensors["dense"].double()
        mean, deviation = dense.mean(0), dense.std(0, unbiased=False)
        vary = deviation > 1e-6
        self.data = pathlib.Path(data)
        self.dense = ((dense - mean) / deviation)[:, vary].float().contiguous()
        self.label = tensors["label"].float()
        # An example's first key is its item's id.
        ends = tensors["key_ends"]
        starts = torch.cat([torch.zeros(1, dtype=torch.int64), ends[:-1]])
        ids = tensors["keys"][starts]
        known, self.item = torch.unique(torch.cat([ids, tensors["recent"]]), return_inverse=True)
        self.items, count = len(known), len(ids)
        recent, self.item = self.item[count:], self.item[:count].contiguous()
        # Rows of `history` places, the newest first; `items` stands where there is none.
        self.history = torch.full((count, history), self.items)
        ends = tensors["recent_ends"]
        starts = torch.cat([torch.zeros(1, dtype=torch.int64), ends[:-1]])
        for place in range(history):
            here = starts + place < ends
            self.history[here, place] = recent[starts[here] + place]
