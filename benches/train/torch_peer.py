"""The same models in PyTorch, one thread, eager, with its fused Adam and batches cut from tensors in memory."""

import time

import torch
from torch import nn


class Wide(nn.Module):
    """Weights of features, and one for each item."""

    def __init__(self, examples, dim, hidden):
        super().__init__()
        self.dense, self.item = nn.Linear(examples.dense.shape[1], 1), nn.Embedding(examples.items + 1, 1)
        nn.init.zeros_(self.dense.weight)
        # As the trainer's own: it begins with the log-odds of the label.
        nn.init.constant_(self.dense.bias, torch.logit(examples.label.mean()).item())
        nn.init.zeros_(self.item.weight)

    def forward(self, dense, item, history):
        return (self.dense(dense) + self.item(item))[:, 0]


class Fm(nn.Module):
    """A factorisation machine over features and item."""

    def __init__(self, examples, dim, hidden):
        super().__init__()
        self.wide = Wide(examples, dim, hidden)
        self.dense = nn.Parameter(0.02 * torch.randn(examples.dense.shape[1], dim))
        self.item = nn.Embedding(examples.items + 1, dim)
        nn.init.normal_(self.item.weight, std=0.02)

    def forward(self, dense, item, history):
        own = self.item(item)
        total = torch.addmm(own, dense, self.dense)
        squares = (dense * dense) @ (self.dense * self.dense).sum(1) + (own * own).sum(1)
        return self.wide(dense, item, history) + 0.5 * ((total * total).sum(1) - squares)


class Attention(nn.Module):
    """`wide`, and a perceptron over the item and what the candidate attends to among the recent items."""

    def __init__(self, examples, dim, hidden):
        super().__init__()
        self.wide = Wide(examples, dim, hidden)
        self.item = nn.Embedding(examples.items + 1, dim, padding_idx=examples.items)
        nn.init.normal_(self.item.weight, std=0.05)
        with torch.no_grad():
            self.item.weight[examples.items] = 0
        self.weigh = nn.Sequential(nn.Linear(4 * dim, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        self.mlp = nn.Sequential(nn.Linear(2 * dim, hidden), nn.ReLU(), nn.Linear(hidden, 1))
        self.none = examples.items

    def forward(self, dense, item, history):
        candidate, past = self.item(item), self.item(history)
        c = candidate[:, None].expand_as(past)
        weights = self.weigh(torch.cat([past, c, past - c, past * c], 2)) * (history != self.none)[..., None]
        attended = (weights * past).sum(1)
        return self.wide(dense, item, history) + self.mlp(torch.cat([attended, candidate], 1))[:, 0]


MODELS = {"wide": Wide, "fm": Fm, "attention": Attention}


def train(examples, workload, batch, epochs, sizes):
    """Trains, and gives examples a second and the mean loss of the last epoch."""
    torch.manual_seed(1)
    model = MODELS[workload](examples, sizes["dim"], sizes["hidden"])
    optimiser = torch.optim.Adam(model.parameters(), lr=sizes["rate"], eps=1e-6, fused=True)
    loss_of = nn.BCEWithLogitsLoss()
    count, attends = len(examples.label), workload == "attention"
    started = time.perf_counter()
    for _ in range(epochs):
        order, total = torch.randperm(count), 0.0
        for rows in order.split(batch):
            history = examples.history[rows] if attends else None
            logits = model(examples.dense[rows], examples.item[rows], history)
            loss = loss_of(logits, examples.label[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.detach() * len(rows)
    return epochs * count / (time.perf_counter() - started), float(total) / count
