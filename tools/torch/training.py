"""Writes what PyTorch makes of the trainer's blocks, losses and optimisers, for the tests of `zhiji train`.

    python tools/torch/training.py            # writes cli/fixtures/torch/

Needs torch, safetensors and numpy; the tests read what is committed. All is computed in double precision, gradients by `torch.autograd` and steps by
`torch.optim`; of the blocks, from weights in single precision.
"""

import json
import pathlib

import torch
from torch import nn
from torch.nn import functional as F

import zhiji_torch as zt

OUT = pathlib.Path(__file__).resolve().parents[2] / "cli/fixtures/torch"
KNOWN, UNKNOWN = [f"sku-{n}" for n in range(8)], ["new-0", "new-1"]
PAIR, USER = ["item.acts", "item.weight", "prior.score"], ["user.events", "user.streak"]
K = 4


def rounded(tensor):
    """Nine digits tell every number in single precision, and a gradient far better than it is compared."""
    return [float(f"{x:.9g}") for x in tensor.detach().flatten().tolist()]


# Blocks


def toml(*blocks):
    """Blocks as the trainer's configuration lists them: pairs of a kind and keys, each a line of TOML."""
    return "\n".join("[[blocks]]\nblock = " + json.dumps(kind) + "".join(f"\n{line}" for line in lines) for kind, *lines in blocks)


def stacks():
    """A name, the labels that are learnt, the trainer's configuration, and the same model here."""
    one, item_lines = ["click"], [f"dim = {K}", "buckets = 8"]
    features = lambda names: f"features = {json.dumps(names)}"
    click = lambda *of: [zt.Tier([zt.Task("click", list(of))])]
    model = lambda blocks, tiers: zt.Model("shop", blocks, tiers, KNOWN)
    item = lambda **more: zt.Item(len(KNOWN), K, words=8, **more)

    wide = zt.Wide(PAIR + USER, ["id", "category"], 16)
    yield "wide", one, toml(("wide", features(PAIR + USER), 'hashed = ["id", "category"]', "buckets = 16")), model([wide], click(wide))
    fm = zt.Fm(3, PAIR, ["id", "category"], 16)
    yield "fm", one, toml(("fm", features(PAIR), 'hashed = ["id", "category"]', "buckets = 16", "dim = 3")), model([fm], click(fm))

    own = item(bias=True)
    recent = zt.Recent(own, 0.7)
    vector = zt.Vector(recent, own)
    text = toml(("item", *item_lines), ("recent", 'of = ["item"]', "decay = 0.7"), ("vector", 'of = ["recent", "item"]'))
    yield "towers", one, text, model([own, recent, vector], click(vector))

    # What layers and crosses read: the user's features, the pair's, and the item's words.
    below = lambda: [zt.Dense(USER, side="user", name="user"), zt.Dense(PAIR), zt.Embed(["category", "tags"], 8, 3)]
    below_text = [
        ("dense", 'name = "user"', 'side = "user"', features(USER)),
        ("dense", features(PAIR)),
        ("embed", 'hashed = ["category", "tags"]', "dim = 3", "buckets = 8"),
    ]
    read = 'of = ["user", "dense", "embed"]'
    for name, lines, more in [
        ("mlp-relu", ['activation = "relu"'], {"activation": "relu"}),
        ("mlp-silu-norm", ['activation = "silu"', "norm = true"], {"activation": "silu", "norm": True}),
        ("mlp-prelu", ['activation = "prelu"', 'last = "prelu"'], {"activation": "prelu", "last": "prelu"}),
    ]:
        blocks = below()
        mlp = zt.Mlp(blocks, [6, 5, 1], **more)
        yield name, one, toml(*below_text, ("mlp", read, "widths = [6, 5, 1]", *lines)), model([*blocks, mlp], click(mlp))

    for name, rank in {"cross": None, "cross-low-rank": 2}.items():
        blocks = below()
        cross = zt.Cross(blocks, 2, rank)
        mlp = zt.Mlp([cross], [1])
        text = toml(*below_text, ("cross", read, "layers = 2", *([f"rank = {rank}"] if rank else [])), ("mlp", 'of = ["cross"]', "widths = [1]"))
        yield name, one, text, model([*blocks, cross, mlp], click(mlp))

    _, dense, embed = below()
    product = zt.Product([dense, embed])
    mean = zt.Mean([product, embed, dense])
    mlp = zt.Mlp([mean], [1])
    text = toml(*below_text[1:], ("product", 'of = ["dense", "embed"]'), ("mean", 'of = ["product", "embed", "dense"]'), ("mlp", 'of = ["mean"]', "widths = [1]"))
    yield "elementwise", one, text, model([dense, embed, product, mean, mlp], click(mlp))

    for activation in ["relu", "silu"]:
        blocks = below()
        mmoe = zt.Mmoe(blocks, 3, 2, [6, 4], [3, 1], activation)
        tiers = [zt.Tier([zt.Task("click", [mmoe]), zt.Task("cart", [mmoe])])]
        text = toml(*below_text, ("mmoe", read, "experts = 3", "widths = [6, 4]", "towers = [3, 1]", f'activation = "{activation}"'))
        yield f"mmoe-{activation}", ["click", "cart"], text, model([*blocks, mmoe], tiers)

    for name, lines, more in [
        ("attention", ["history = 9"], {"history": 9}),
        ("attention-softmax", ['activation = "silu"', "softmax = true"], {"activation": "silu", "softmax": True}),
        ("attention-prelu", ['activation = "prelu"'], {"activation": "prelu"}),
    ]:
        own = item()
        attention = zt.Attention(own, [5, 1], **more)
        product = zt.Product([attention, own])
        mlp = zt.Mlp([attention, own, product], [1])
        text = toml(
            ("item", *item_lines, "bias = false"),
            ("attention", 'of = ["item"]', "widths = [5, 1]", *lines),
            ("product", 'of = ["attention", "item"]'),
            ("mlp", 'of = ["attention", "item", "product"]', "widths = [1]"),
        )
        yield name, one, text, model([own, attention, product, mlp], click(mlp))

    for name, lines, more in [
        ("sequence-pre", ['norm = "pre"'], {"norm": "pre"}),
        ("sequence-post", ['norm = "post"', 'positions = "oldest"'], {"norm": "post", "positions": "oldest", "final": False}),
        ("sequence-query", ['norm = "query"', "scale = 2.0", "epsilon = 1e-8"], {"norm": "query", "scale": 2.0, "epsilon": 1e-8}),
    ]:
        own = item(bias=True)
        sequence = zt.Sequence(own, 2, 2, 5, most=7, **more)
        vector = zt.Vector(sequence, own)
        text = toml(
            ("item", *item_lines),
            ("sequence", 'of = ["item"]', "layers = 2", "heads = 2", "inner = 5", "history = 7", *lines),
            ("vector", 'of = ["sequence", "item"]'),
        )
        yield name, one, text, model([own, sequence, vector], click(vector))


def stirred(model):
    """Random weights everywhere: what starts at zero or one hides mistakes."""
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            ones = name.endswith(("norm.weight", "norm1.weight", "norm2.weight"))
            tensor.copy_(1 + 0.3 * torch.rand_like(tensor) if ones else 0.6 * torch.randn_like(tensor))
    return model


def examples(model, words, labels):
    """Items with a row and without one, pasts from none to more than blocks read; of each the dense features, the label and what came of it."""
    draw = lambda n: int(torch.randint(n, ()))
    all_of_them, out = KNOWN + UNKNOWN, []
    for at, length in enumerate([0, 1, 2, 5, 8, 14, 3, 30, 6, 4, 1, 11]):
        dense = {name: round(float(32 * torch.randn(()))) / 32 for name in model.features}
        own, past = all_of_them[draw(10)], [all_of_them[draw(10)] for _ in range(length)]
        example = zt.Example(dense, own, words[own], [(item, words[item]) for item in past])
        out.append((example, at % labels, draw(2)))
    return out


def named(model):
    """The model's tensors under the trainer's names, which keeps the two halves of a factorisation machine apart."""
    tensors = {name: tensor for name, tensor in model.tensors().items() if not name.endswith((".mean", ".scale")) and name != "items.ids"}
    for part in ["weight", "factors"] if "fm.factors" in tensors else []:
        whole = tensors.pop(f"fm.{part}")
        tensors[f"fm.{part}"], tensors[f"fm.hashed.{part}"] = whole[: len(PAIR)], whole[len(PAIR) :]
    return tensors


def block_cases(words):
    for at, (name, labels, text, model) in enumerate(stacks()):
        torch.manual_seed(100 + at)
        stirred(model)
        cases = examples(model, words, len(labels))
        weights = {key: rounded(tensor) for key, tensor in named(model).items()}
        model.double()
        batch = model.batch([example for example, _, _ in cases], torch.float64)
        logits = model(batch)[torch.arange(len(cases)), torch.tensor([label for _, label, _ in cases])]
        loss = F.binary_cross_entropy_with_logits(logits, torch.tensor([float(y) for _, _, y in cases], dtype=torch.float64))
        loss.backward()
        for parameter in model.parameters():
            parameter.data = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        yield {
            "name": name,
            "labels": labels,
            "config": text,
            "examples": [
                {"dense": e.dense, "item": e.item, "past": [item for item, _ in reversed(e.recent)], "label": label, "positive": y}
                for e, label, y in cases
            ],
            "weights": weights,
            "logits": rounded(logits),
            "loss": loss.item(),
            "gradients": {key: rounded(tensor) for key, tensor in named(model).items()},
        }


# Losses


def loss_cases():
    """Losses of given logits. `shown` and `taken` say how often training examples met each item, and took it."""
    items, draws = 9, 4
    shown = torch.tensor([5, 3, 8, 0, 2, 7, 4, 1, 6.0], dtype=torch.float64)
    taken = torch.tensor([2, 0, 5, 0, 1, 3, 1, 1, 2.0], dtype=torch.float64)
    drawn = [at for at in range(items) if shown[at] > 0]
    at_least = taken.clamp(min=0.5)
    own = [2, 5, 0, 8, 2, 6]

    def case(keys, batch, group, positive, loss_of, labels=1, label=None, places=None):
        """`batch` lists the items that each example's logits are of; `loss_of` makes a loss for each example of logits [examples, group, tasks]."""
        logits = torch.randn(len(own), group, labels, dtype=torch.float64, requires_grad=True)
        offsets = (0.5 * torch.randn(labels, 64, dtype=torch.float64)).requires_grad_()
        losses = loss_of(logits, offsets)
        losses.mean().backward()
        return {
            "keys": keys, "shown": rounded(shown), "taken": rounded(taken), "labels": labels, "own": own, "batch": batch, "group": group,
            "positive": positive, "label": label or [0] * len(own), "places": places, "logits": rounded(logits), "loss": losses.sum().item(),
            "slopes": rounded(logits.grad), "offsets": rounded(offsets) if places else None, "offset_slopes": rounded(offsets.grad) if places else None,
        }

    torch.manual_seed(7)
    positive = [1, 0, 0, 1, 1, 0]
    y = torch.tensor(positive, dtype=torch.float64)
    single = [[item] for item in own]
    logistic = lambda z, weight=None: F.binary_cross_entropy_with_logits(z, y, weight, reduction="none")
    yield case("", single, 1, positive, lambda z, _: logistic(z[:, 0, 0]))
    yield case("positive-weight = 3.0", single, 1, positive, lambda z, _: logistic(z[:, 0, 0], torch.where(y > 0, 3.0, 1.0)))
    yield case('loss = "squared"', single, 1, positive, lambda z, _: 0.5 * F.mse_loss(z[:, 0, 0], y, reduction="none"))
    label = [0, 1, 1, 0, 1, 0]
    chosen = lambda z: z[torch.arange(len(own)), 0, torch.tensor(label)]
    weight = torch.tensor([1.0, 0.25], dtype=torch.float64)[label]
    yield case("task-weights = [1.0, 0.25]", single, 1, positive, lambda z, _: logistic(chosen(z), weight), 2, label)
    # An offset for each place, told from the mean over the places of all examples.
    places = [0, 3, 1, 0, 2, 1]
    counts = torch.bincount(torch.tensor(places), minlength=64).double()
    moved = lambda z, o: z[:, 0, 0] + o[0, places] - (o[0] * counts / counts.sum()).sum()
    yield case("positions = true", single, 1, positive, lambda z, o: logistic(moved(z, o)), places=places)

    # Only what was taken teaches where items are drawn; what was drawn though it was taken says nothing against itself.
    ones = [1] * len(own)
    lists = [[item] + [drawn[int(torch.randint(len(drawn), ()))] for _ in range(draws)] for item in own]
    lists[0][2] = own[0]
    against = torch.tensor([[at > 0 and other != row[0] for at, other in enumerate(row)] for row in lists])
    yield case(
        f'loss = "bpr"\nnegatives = "uniform"\ndraws = {draws}', lists, draws + 1, ones,
        lambda z, _: (F.softplus(z[:, :, 0] - z[:, :1, 0]) * against).sum(1) / against.sum(1),
    )
    for negatives, alpha in [("uniform", 0.0), ("popularity", 0.75)]:
        chance = torch.zeros(items, dtype=torch.float64)
        chance[drawn] = at_least[drawn] ** alpha
        often = (chance / chance.sum()).log()[torch.tensor(lists)] + torch.log(torch.tensor(float(draws), dtype=torch.float64))
        often[:, 0] = 0
        left_out = torch.where(against | (torch.arange(draws + 1) == 0), 0.0, -torch.inf)
        yield case(
            f'loss = "softmax"\nnegatives = "{negatives}"\nalpha = 0.75\ndraws = {draws}', lists, draws + 1, ones,
            lambda z, _: F.cross_entropy(z[:, :, 0] - often + left_out, torch.zeros(len(own), dtype=torch.int64), reduction="none"),
        )
    took = torch.tensor(own)
    popular = (at_least / at_least.sum()).log()[took]
    twice = torch.where((took[:, None] == took) & ~torch.eye(len(own), dtype=torch.bool), -torch.inf, 0.0)
    yield case(
        'loss = "softmax"\nnegatives = "batch"', None, len(own), ones,
        lambda z, _: F.cross_entropy(z[:, :, 0] - popular + twice, torch.arange(len(own)), reduction="none"),
    )
    everything = [list(range(items)) for _ in own]
    yield case('loss = "softmax"\nnegatives = "all"', everything, items, ones, lambda z, _: F.cross_entropy(z[:, :, 0], took, reduction="none"))


# Optimisers


def optimiser_runs(start, gradients):
    """The first steps of every optimiser that PyTorch has, under the trainer's keys."""
    for keys, rate, make in [
        ('optimiser = "sgd"', 0.1, torch.optim.SGD),
        ('optimiser = "sgd"\nmomentum = 0.9', 0.05, lambda w, lr: torch.optim.SGD(w, lr, momentum=0.9)),
        ('optimiser = "sgd"\nmomentum = 0.5\nl2 = 0.3\nl2-hashed = 0.3', 0.1, lambda w, lr: torch.optim.SGD(w, lr, momentum=0.5, weight_decay=0.3)),
        ('optimiser = "adagrad"\nepsilon = 1e-8', 0.2, lambda w, lr: torch.optim.Adagrad(w, lr, eps=1e-8)),
        ('optimiser = "adagrad"\nepsilon = 1e-2\nl2 = 0.2\nl2-hashed = 0.2', 0.2, lambda w, lr: torch.optim.Adagrad(w, lr, weight_decay=0.2, eps=1e-2)),
        ('optimiser = "adam"\nepsilon = 1e-8', 0.05, lambda w, lr: torch.optim.Adam(w, lr)),
        ('optimiser = "adam"\nbeta1 = 0.8\nbeta2 = 0.95\nepsilon = 1e-3', 0.05, lambda w, lr: torch.optim.Adam(w, lr, (0.8, 0.95), 1e-3)),
        ('optimiser = "adam"\nepsilon = 1e-8\nl2 = 0.3\nl2-hashed = 0.3', 0.05, lambda w, lr: torch.optim.Adam(w, lr, weight_decay=0.3)),
        ('optimiser = "adam"\nepsilon = 1e-8\nweight-decay = 0.1', 0.05, lambda w, lr: torch.optim.AdamW(w, lr, weight_decay=0.1)),
    ]:
        weights, path = nn.Parameter(start.clone()), []
        optimiser = make([weights], rate)
        for gradient in gradients:
            weights.grad = gradient.clone()
            optimiser.step()
            path.append(rounded(weights))
        yield {"keys": keys, "rate": rate, "weights": path}


def write(name, value):
    (OUT / f"{name}.json").write_text(json.dumps(value, separators=(",", ":")) + "\n")


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    words = {
        item: [("category", f"c{at % 3}"), *(("tags", f"t{(at + more) % 5}") for more in range(at % 3))] for at, item in enumerate(KNOWN + UNKNOWN)
    }
    write("blocks", {"known": KNOWN, "unknown": UNKNOWN, "words": words, "cases": list(block_cases(words))})
    write("losses", list(loss_cases()))
    torch.manual_seed(1)
    start, gradients = torch.tensor([0.5, -0.25, 0.0, 1.5], dtype=torch.float64), torch.randn(12, 4, dtype=torch.float64)
    runs = list(optimiser_runs(start, gradients))
    write("optimisers", {"torch": torch.__version__, "start": rounded(start), "gradients": [rounded(one) for one in gradients], "runs": runs})


if __name__ == "__main__":
    main()
