"""The second half of a personal head, a linear one trained by steps: what each optimiser makes of the features of `zhiji features`.

    zhiji import movielens ml-latest-small --split colduser --out cold
    zhiji features cold --label like --out cold.safetensors
    python benches/head/optimisers.py cold.safetensors

A logistic model of all features is fitted to the users of `train`. For every user of `valid`, one label after the other, each head corrects that model: it
forecasts, is mixed with the model as the engine mixes (docs/bundle.md, "The personal head"), and then learns. Each optimiser has the best of
its settings, chosen on the very users that it is shown for; the closed form has the engine's built-in setting. Needs numpy and safetensors.
"""

import itertools
import json
import sys

import numpy as np
from safetensors import safe_open

TRUST, LIFE, CLAMP = 0.2, 512, 4.0
DEVIATION, LEAST = 0.1, 0.02


def sigmoid(z):
    return 1 / (1 + np.exp(-np.clip(z, -30, 30)))


def loaded(path):
    with safe_open(path, "np") as file:
        about = json.loads(file.metadata()["zhiji.examples"])
        parts = {name: file.get_tensor(name) for name in ("dense", "label", "user", "split", "earlier", "at_ms")}
    pair = [not name.startswith(("user.", "time.")) for name in about["features"]]
    return parts, np.array(pair)


def frozen(parts):
    """The logits of a logistic model of the users of `train`, by Newton's method."""
    x, train = parts["dense"].astype(float), parts["split"] == 0
    x = (x - x[train].mean(0)) / np.maximum(x[train].std(0), 1e-3)
    x = np.column_stack([np.ones(len(x)), x])
    y, w = parts["label"].astype(float), np.zeros(x.shape[1])
    for _ in range(12):
        p = sigmoid(x[train] @ w)
        slope = x[train].T @ (p - y[train]) + 10 * w
        bend = (x[train] * (p * (1 - p))[:, None]).T @ x[train] + 10 * np.eye(len(w))
        w -= np.linalg.solve(bend, slope)
    return x @ w


class Closed:
    """The engine's head: Gaussian weights, one rank-one update a label."""

    def __init__(self, users, d):
        self.m, self.s = np.zeros((users, d)), np.tile(DEVIATION**2 * np.eye(d), (users, 1, 1))

    def learn(self, at, x, y, p):
        sx = np.einsum("uij,uj->ui", self.s[at], x)
        r = 1 / np.maximum(p * (1 - p), LEAST)
        s = r + (x * sx).sum(1)
        self.m[at] += sx * ((y - p) * r / s)[:, None]
        self.s[at] -= sx[:, :, None] * sx[:, None, :] / s[:, None, None]


class Steps:
    """Gradient steps on the log-loss, with `l2` towards no correction."""

    def __init__(self, users, d, how, rate, l2, l1=0.0):
        self.how, self.rate, self.l2, self.l1, self.t = how, rate, l2, l1, np.zeros(users)
        self.m, self.a, self.b = (np.zeros((users, d)) for _ in range(3))

    def learn(self, at, x, y, p):
        g = (p - y)[:, None] * x + (self.l2 * self.m[at] if self.how != "ftrl" else 0)
        if self.how == "sgd":
            self.m[at] -= self.rate * g
        elif self.how == "adagrad":
            self.a[at] += g * g
            self.m[at] -= self.rate * g / np.sqrt(1e-6 + self.a[at])
        elif self.how == "adam":
            self.t[at] += 1
            self.a[at], self.b[at] = 0.9 * self.a[at] + 0.1 * g, 0.999 * self.b[at] + 0.001 * g * g
            a, b = self.a[at] / (1 - 0.9 ** self.t[at])[:, None], self.b[at] / (1 - 0.999 ** self.t[at])[:, None]
            self.m[at] -= self.rate * a / (np.sqrt(b) + 1e-6)
        else:
            n = self.a[at] + g * g
            self.b[at] += g - (np.sqrt(n) - np.sqrt(self.a[at])) / self.rate * self.m[at]
            self.a[at] = n
            z = self.b[at]
            bent = (1 + np.sqrt(n)) / self.rate + self.l2
            self.m[at] = np.where(np.abs(z) <= self.l1, 0, -(z - np.sign(z) * self.l1) / bent)


def run(make, z, x, y, rows):
    """Probabilities of the mixture, label by label, all users side by side; `rows` are each user's examples in order."""
    heads, trust, out = make(len(rows), x.shape[1]), np.full(len(rows), TRUST), np.empty(len(z))
    for turn in range(max(map(len, rows))):
        at = np.array([u for u, own in enumerate(rows) if len(own) > turn])
        now = np.array([rows[u][turn] for u in at])
        own, p0 = sigmoid(z[now] + (heads.m[at] * x[now]).sum(1)), sigmoid(z[now])
        out[now] = trust[at] * own + (1 - trust[at]) * p0
        came = np.clip(np.where(y[now] > 0, own, 1 - own), 2.0**-20, 1), np.clip(np.where(y[now] > 0, p0, 1 - p0), 2.0**-20, 1)
        w = trust[at] * came[0] / (trust[at] * came[0] + (1 - trust[at]) * came[1])
        trust[at] = ((LIFE - 1) * w + TRUST) / LIFE
        heads.learn(at, x[now], y[now], own)
    return out


def auc(p, y):
    order = p.argsort(kind="stable")
    rank = np.empty(len(p))
    rank[order] = np.arange(1, len(p) + 1)
    for value in np.unique(p):
        same = p == value
        rank[same] = rank[same].mean()
    n = y.sum()
    return (rank[y > 0].sum() - n * (n + 1) / 2) / (n * (len(y) - n))


def figures(p, y, rows):
    """Log-loss, and the AUC within users weighted by their examples; both also over the first 50 labels of each user."""
    def of(rows):
        every = np.concatenate(rows)
        loss = -np.log(np.clip(np.where(y[every] > 0, p[every], 1 - p[every]), 1e-12, 1)).mean()
        within = [(len(own), auc(p[own], y[own])) for own in rows if 0 < y[own].sum() < len(own)]
        return loss, sum(n * a for n, a in within) / sum(n for n, _ in within)
    return (*of(rows), *of([own[:50] for own in rows]))


def main(path):
    parts, pair = loaded(path)
    z, y = frozen(parts), parts["label"].astype(float)
    valid = np.flatnonzero(parts["split"] == 1)
    rows = [valid[parts["user"][valid] == user] for user in np.unique(parts["user"][valid])]
    x = np.column_stack([np.ones(len(z)), np.clip(parts["dense"][:, pair], -CLAMP, CLAMP).astype(float)])
    print(f"{len(rows)} users, {len(valid)} labels, {x.shape[1]} numbers a head reads; log-loss, GAUC; the same of the first 50 labels")
    show = lambda name, f: print(f"{name:34} {f[0]:.4f} {f[1]:.4f}   {f[2]:.4f} {f[3]:.4f}")
    show("no head", figures(sigmoid(z), y, rows))
    show("closed form", figures(run(Closed, z, x, y, rows), y, rows))
    for how in ("sgd", "adagrad", "adam", "ftrl"):
        best = None
        for rate, l2, l1 in itertools.product((0.001, 0.003, 0.01, 0.03, 0.1), (0.0, 0.01, 1.0), (0.0, 0.1) if how == "ftrl" else (0.0,)):
            p = run(lambda users, d: Steps(users, d, how, rate, l2, l1), z, x, y, rows)
            f = figures(p, y, rows)
            if best is None or f[0] < best[1][0]:
                best = (f"{how}, rate {rate}, l2 {l2}" + (f", l1 {l1}" if l1 else ""), f)
        show(*best)


if __name__ == "__main__":
    main(sys.argv[1])
