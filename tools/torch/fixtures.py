"""Writes small bundles of every block with random weights, and what PyTorch computes of random inputs, for the engine's tests.

    python tools/torch/fixtures.py            # writes tests/fixtures/torch/

Needs torch and safetensors; the tests read what is committed. Answers are computed in double precision from the single precision weights.
"""

import json
import pathlib

import torch

import zhiji_torch as zt

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests/fixtures/torch"
ITEMS = [f"sku-{n}" for n in range(12)]
K, CASES = 6, 12
PAIR, USER = ["item.acts", "item.weight", "prior.score"], ["user.events", "user.streak"]


def models():
    """A model for each block, or for each form that it has."""
    item = lambda **more: zt.Item(len(ITEMS), K, **more)
    click = lambda *of, **more: [zt.Tier([zt.Task("click", list(of), **more)])]
    # Every number of a block as a task of its own.
    every = lambda block: [zt.Tier([zt.Task(f"task{at}", [block]) for at in range(block.width)])]
    model = lambda blocks, tiers, **more: zt.Model("shop", blocks, tiers, ITEMS, **more)
    plain = lambda blocks, tiers: zt.Model("shop", blocks, tiers)

    wide = zt.Wide(PAIR + USER, ["category", "id"], 16)
    yield "wide", plain([wide], click(wide))
    fm = zt.Fm(4, PAIR, ["category", "id"], 16)
    yield "fm", plain([fm], click(fm))

    dense, embed = zt.Dense(PAIR), zt.Embed(["category", "tags"], 8, 3)
    product = zt.Product([dense, embed])
    mean = zt.Mean([product, embed, dense])
    yield "elementwise", plain([dense, embed, product, mean], every(mean))

    rows = [[(to, 20 * to + 7) for to in range(len(ITEMS)) if (3 * to + at) % 5 == 0 and to != at] for at in range(len(ITEMS))]
    covisit = zt.Covisit(rows, [0.01 + 0.001 * at for at in range(len(ITEMS))], 0.75)
    yield "covisit", model([covisit], click(covisit))

    towers = item(words=8, bias=True)
    recent = zt.Recent(towers, 0.8)
    vector = zt.Vector(recent, towers)
    yield "towers", model([towers, recent, vector], click(vector, gains=[1.5]))

    for name, more in {
        "mlp-relu": {"activation": "relu"},
        "mlp-silu-norm": {"activation": "silu", "norm": True},
        "mlp-prelu": {"activation": "prelu", "last": "prelu", "bias": False},
    }.items():
        user, dense, embed = zt.Dense(USER, side="user", name="user"), zt.Dense(PAIR), zt.Embed(["category"], 8, 3)
        mlp = zt.Mlp([user, dense, embed], [10, 7, 1], **more)
        yield name, plain([user, dense, embed, mlp], click(mlp))

    for name, rank in {"cross": None, "cross-low-rank": 2}.items():
        user, dense, embed = zt.Dense(USER, side="user", name="user"), zt.Dense(PAIR), zt.Embed(["category"], 8, 3)
        cross = zt.Cross([user, dense, embed], 3, rank)
        yield name, plain([user, dense, embed, cross], every(cross))

    for activation in ["relu", "prelu"]:
        user, dense, embed = zt.Dense(USER, side="user", name="user"), zt.Dense(PAIR), zt.Embed(["category"], 8, 3)
        mmoe = zt.Mmoe([user, dense, embed], 3, 2, [8, 5], [4, 1], activation)
        tasks = [zt.Task("click", [mmoe]), zt.Task("buy", [mmoe], calibration={"platt": [0.75, -0.5]})]
        yield f"mmoe-{activation}", plain([user, dense, embed, mmoe], [zt.Tier(tasks, {"powers": [1.0, 0.5]})])

    for name, more in {
        "attention": {"history": 20},
        "attention-softmax": {"activation": "silu", "softmax": True},
        "attention-prelu": {"activation": "prelu", "bias": False},
    }.items():
        own = item(words=8)
        attention = zt.Attention(own, [9, 1], **more)
        yield name, model([own, attention], every(attention))

    own = item(words=8)
    attention = zt.Attention(own, [9, 1])
    product = zt.Product([attention, own])
    mlp = zt.Mlp([attention, own, product], [8, 1])
    yield "din", model([own, attention, product, mlp], click(mlp))

    for name, more in {
        "sequence-pre": {"norm": "pre"},
        "sequence-post": {"norm": "post", "positions": "oldest", "final": False},
        "sequence-query": {"norm": "query", "scale": K**0.5, "epsilon": 1e-8, "most": 7},
    }.items():
        own = item(words=8, bias=True)
        sequence = zt.Sequence(own, 2, 2, 9, **more)
        vector = zt.Vector(sequence, own)
        yield name, model([own, sequence, vector], click(vector))

    # Ensembles, calibrations and blends, and three tiers.
    parts = [zt.Wide(PAIR, ["category"], 8, name=f"part{at}") for at in range(3)]
    ensemble = zt.Mean(parts, over="probabilities", name="ensemble")
    steps, line = {"steps": [[-1.0, -2.0], [0.0, -0.5], [0.5, 1.0]]}, {"line": [[-1.0, -2.0], [0.0, -0.5], [0.5, 1.0]]}
    full = zt.Tier([zt.Task("click", [ensemble, parts[0]], [1.0, 0.5], line), zt.Task("buy", [ensemble])], {"sum": [1.0, 2.0]})
    light = zt.Tier([zt.Task("click", [parts[0]], None, steps), zt.Task("buy", [parts[1]])])
    prior = zt.Tier([zt.Task("click", [parts[0]]), zt.Task("buy", [parts[0]])])
    yield "tiers", plain([*parts, ensemble], [full, light, prior])


def stirred(model):
    """Random weights everywhere: what starts at zero or one hides mistakes."""
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if tensor.is_floating_point() and not isinstance(tensor, torch.nn.parameter.UninitializedParameter):
                ones = name.endswith((".scale", "norm.weight", "norm1.weight", "norm2.weight"))
                if "covisit" in name or model.blocks[int(name.split(".")[1])].kind == "covisit":
                    continue
                tensor.copy_(1 + 0.3 * torch.rand_like(tensor) if ones else 0.7 * torch.randn_like(tensor))
    return model


def examples(model, count):
    """Known items and unknown ones, histories of every length from none to more than a phone reads."""
    draw = lambda n: int(torch.randint(n, ()))
    words = lambda: [("category", f"c{draw(5)}"), *(("tags", f"t{draw(9)}") for _ in range(draw(3)))]
    met = lambda: (ITEMS[draw(12)] if draw(4) else f"new-{draw(9)}", words())
    lengths = [0, 1, 3, 8, 25, 60] if model.items else [0] * 6
    for at in range(count):
        dense = {name: round(float(64 * torch.randn(()))) / 64 for name in model.features}
        own, own_words = met()
        yield zt.Example(dense, own, own_words if at else [], [met() for _ in range(lengths[at % 6])])


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.iterdir():
        old.unlink()
    for at, (name, model) in enumerate(models()):
        torch.manual_seed(at)
        stirred(model)
        cases = list(examples(model, CASES))
        model.export(OUT / f"{name}.safetensors", cases[1:3])
        asked = [model.question(case) | {"logits": logits} for case, logits in zip(cases, model.answers(cases))]
        (OUT / f"{name}.json").write_text(json.dumps(asked, separators=(",", ":")) + "\n")
        print(name, asked[1]["logits"])


if __name__ == "__main__":
    main()
