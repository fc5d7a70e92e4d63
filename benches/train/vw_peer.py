"""Vowpal Wabbit over the same examples: it reads them from its own cache file, which it made before."""

import time

import torch
import vowpalwabbit

VERSION = vowpalwabbit.__version__
COMMON = "--loss_function logistic -b 18 --holdout_off --quiet"


def builds(workload, dim, epochs):
    """Name, options, passes, and whether one round has to do, of what Vowpal Wabbit has for a model; it has no attention."""
    if workload == "wide":
        return [("default", "", epochs, False), ("--sgd", "--sgd -l 0.05", epochs, False)]
    if workload == "fm":
        # Pairs of all features, as a factorisation machine has them, which takes minutes; and those of features and item alone, which is less. Both
        # are slow: one pass.
        return [(f"--lrq dd{dim} --lrq di{dim}", f"--lrq dd{dim} --lrq di{dim}", 1, True), (f"--lrq di{dim}", f"--lrq di{dim}", 1, False)]
    return []


def prepare(examples):
    """The examples as text in a drawn order, written once; Vowpal Wabbit itself does not shuffle."""
    path = examples.data / "examples.vw"
    if not path.exists():
        with open(path, "w") as out:
            for row in torch.randperm(len(examples.label), generator=torch.Generator().manual_seed(1)).tolist():
                features = " ".join(f"{at}:{x:.6g}" for at, x in enumerate(examples.dense[row].tolist()))
                out.write(f"{'1' if examples.label[row] else '-1'} |d {features} |i {int(examples.item[row])}\n")
    return path


def train(examples, options, passes):
    """Trains, and gives examples a second and the mean loss over all passes, each example before it was learnt from."""
    path, cache = prepare(examples), examples.data / "examples.cache"
    if not cache.exists():
        vowpalwabbit.Workspace(f"-d {path} --cache_file {cache} {COMMON}").finish()
    started = time.perf_counter()
    model = vowpalwabbit.Workspace(f"-d {path} --cache_file {cache} --passes {passes} {options} {COMMON}")
    seconds = time.perf_counter() - started
    count, loss = passes * len(examples.label), model.get_sum_loss()
    model.finish()
    return count / seconds, loss / count
