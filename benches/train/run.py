"""The trainer beside Vowpal Wabbit and PyTorch: the same examples, models, epochs and batches, in turns.

    cargo xtask bench train

makes the data, installs the other two and calls this. Examples are in memory before the clock starts: for Vowpal Wabbit in its cache file, for PyTorch in
tensors. docs/benchmarks.md says what is compared and what came out.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile

import torch

import torch_peer
import vw_peer
from examples import Examples

# Sizes of all contenders' models; the configurations of the trainer's own are written from them.
DIM, HISTORY, HIDDEN, RATE = 16, 20, 16, 0.003
COMMON = f"""label = ["click"]
optimiser = "adam"
learning-rate = {RATE}
schedule = "constant"
l2 = 0
l2-hashed = 0
hide-items = 0
"""
MODELS = {
    "wide": '[[blocks]]\nblock = "wide"\n',
    "fm": f'[[blocks]]\nblock = "fm"\ndim = {DIM}\n',
    "attention": f"""[[blocks]]
block = "wide"
[[blocks]]
block = "item"
dim = {DIM}
bias = false
words = false
[[blocks]]
block = "attention"
of = ["item"]
history = {HISTORY}
widths = [{HIDDEN}, 1]
[[blocks]]
block = "mlp"
of = ["attention", "item"]
widths = [{HIDDEN}, 1]
[[tiers]]
tasks = [{{ label = "click", of = ["wide", "mlp"] }}]
""",
}
BATCHES = [256, 1024, 4096]
# Runs a command and prints its peak memory behind its output. A process of its own, as small as can be: to what a process has used counts what it was
# forked from, and here that is PyTorch and all examples.
PEAK = "import os, sys; p = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:]); _, s, u = os.wait4(p, 0); print(end=str(u.ru_maxrss)); sys.exit(s != 0)"
# The figures of a run that learnt the same model differ by less, of the mean loss of an epoch.
LOSS_ROOM = 0.05


class Zhiji:
    """`zhiji train`, whose own figure leaves out the fold and the bundle."""

    name, slow = "zhiji", False

    def __init__(self, arguments, workload, batch, threads, epochs):
        self.workload, self.threads = workload, threads
        self.build = f"batch {batch}" + (f", {threads} threads" if threads > 1 else "")
        config = pathlib.Path(arguments.data, f"{workload}.toml")
        config.write_text(COMMON + MODELS[workload])
        out = pathlib.Path(arguments.data, "bench.safetensors")
        self.command = [arguments.zhiji, "train", f"{arguments.data}/shop", "--config", config, "--out", out]
        self.command += ["--batch", str(batch), "--threads", str(threads), "--epochs", str(epochs)]

    def run(self):
        with cores(self.threads):
            text = subprocess.run(self.command, check=True, capture_output=True, text=True).stdout
        speed = re.search(r"([\d.]+) examples a second", text)
        loss = re.search(r"loss ([\d.]+)", text)
        return float(speed[1]), float(loss[1])


class cores:
    """Keeps this thread, and the programs that it starts, on the first cores."""

    def __init__(self, count):
        self.count = count

    def __enter__(self):
        self.before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, set(sorted(self.before)[: self.count]))

    def __exit__(self, *_):
        os.sched_setaffinity(0, self.before)


class Peer:
    """Another trainer in this process, on one core."""

    threads = 1

    def __init__(self, workload, name, build, train, slow=False):
        self.workload, self.name, self.build, self.train, self.slow = workload, name, build, train, slow

    def run(self):
        with cores(1):
            return self.train()


def contenders(arguments, examples, workload):
    """Who trains this model, the trainer's own first."""
    epochs = arguments.epochs
    for batch in BATCHES:
        yield Zhiji(arguments, workload, batch, 1, epochs)
    if len(os.sched_getaffinity(0)) > 1:
        for batch in BATCHES:
            yield Zhiji(arguments, workload, batch, 2, epochs)
    for build, options, passes, slow in vw_peer.builds(workload, DIM, epochs):
        train = lambda options=options, passes=passes: vw_peer.train(examples, options, passes)
        yield Peer(workload, "vowpal wabbit", build, train, slow)
    for batch in BATCHES:
        sizes = {"dim": DIM, "hidden": HIDDEN, "rate": RATE}
        train = lambda batch=batch: torch_peer.train(examples, workload, batch, epochs, sizes)
        yield Peer(workload, "pytorch", f"batch {batch}", train)


def measure(arguments, examples, workload):
    """One row for each contender."""
    all_of_them = list(contenders(arguments, examples, workload))
    runs = {one: [] for one in all_of_them}
    for number in range(arguments.rounds):
        turn = number % len(all_of_them)
        for one in all_of_them[turn:] + all_of_them[:turn]:
            if one.slow and number > 0:
                continue
            runs[one].append(one.run())
            speed, loss = runs[one][-1]
            print(f"  {workload}, {one.name}, {one.build}: {speed:,.0f} examples a second, loss {loss:.4f}", flush=True)
    own = [loss for one in all_of_them if one.name == "zhiji" for _, loss in runs[one]]
    rows = []
    for one in all_of_them:
        times = sorted(1e9 / speed for speed, _ in runs[one])
        loss = statistics.median(loss for _, loss in runs[one])
        if abs(loss - statistics.median(own)) > LOSS_ROOM * statistics.median(own) and one.name != "vowpal wabbit":
            # Batch sizes, lazy rows of an optimiser and shared buckets move a loss honestly, so the reader of the record is the judge.
            print(f"  NOTE {workload}: {one.name}, {one.build} ends at loss {loss:.4f}, the trainer at {statistics.median(own):.4f}", flush=True)
        rows.append({
            "workload": workload,
            "contender": one.name,
            "build": one.build,
            "rounds": len(times),
            # Microseconds for a thousand examples.
            "median_us": statistics.median(times),
            "p95_us": times[min(len(times) - 1, round(0.95 * (len(times) - 1)))],
            "examples_a_second": 1e9 / statistics.median(times),
            "loss": loss,
        })
    best = min(row["median_us"] for row in rows if row["contender"] != "zhiji")
    for row in rows:
        row["ratio_to_best_peer"] = row["median_us"] / best
    return rows


def memory(arguments):
    """Peak memory of a training over the log, and over one of four times as many users, with little room for examples."""
    rows = []
    for name in ["shop", "shop-4"]:
        folder = pathlib.Path(arguments.data, name)
        with tempfile.TemporaryDirectory() as out:
            config = pathlib.Path(out, "model.toml")
            config.write_text(COMMON + MODELS["fm"])
            command = [arguments.zhiji, "train", folder, "--config", config, "--out", f"{out}/m.safetensors"]
            child = [sys.executable, "-c", PEAK, *command, "--epochs", "1", "--memory", "16"]
            text, peak = subprocess.run(child, check=True, capture_output=True, text=True).stdout.rsplit("\n", 1)
        count = int(re.match(r"(\d+) training examples", text)[1])
        events = json.loads((folder / "meta.json").read_text())["events"]
        rows.append({"events": events, "examples": count, "peak_mib": int(peak) / 1024})
        print(f"  {events:,} events, {count:,} examples: {rows[-1]['peak_mib']:.0f} MiB", flush=True)
    return rows


def commit():
    """What is measured, as it stands when the measuring begins."""
    git = lambda *words: subprocess.run(["git", *words], check=True, capture_output=True, text=True).stdout.strip()
    changed = " with changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return git("rev-parse", "--short", "HEAD") + changed


def record(folder, rows, peaks, examples, measured):
    """Writes `<date>-train-native.md` and `.jsonl`."""
    folder = pathlib.Path(folder)
    base = folder / f"{datetime.date.today().isoformat()}-train-native"
    lines = [json.dumps({"environment": "native", **row}) for row in rows]
    lines += [json.dumps({"environment": "native", "figure": "peak memory, fm, --memory 16", **peak}) for peak in peaks]
    pathlib.Path(f"{base}.jsonl").write_text("\n".join(lines) + "\n")
    model = next((line.split(": ")[1] for line in open("/proc/cpuinfo") if line.startswith("model name")), "unknown\n").strip()
    text = [
        "# train, native",
        "",
        f"PyTorch {torch.__version__}, Vowpal Wabbit {vw_peer.VERSION}; {model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; "
        f"commit {measured}.",
        f"{len(examples.label):,} examples, {examples.dense.shape[1]} features that vary, {examples.items:,} items. Reproduce: `cargo xtask bench train`.",
        "",
        "| workload | contender | build | rounds | examples a second | median µs / 1,000 | p95 µs / 1,000 | ratio to the best peer | loss |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        text.append(
            f"| {row['workload']} | {row['contender']} | {row['build']} | {row['rounds']} | {row['examples_a_second']:,.0f} | {row['median_us']:,.0f} | "
            f"{row['p95_us']:,.0f} | {row['ratio_to_best_peer']:.2f} | {row['loss']:.4f} |"
        )
    text += ["", "| events | training examples | peak memory, `fm`, `--memory 16` |", "|---:|---:|---:|"]
    text += [f"| {peak['events']:,} | {peak['examples']:,} | {peak['peak_mib']:.0f} MiB |" for peak in peaks]
    pathlib.Path(f"{base}.md").write_text("\n".join(text) + "\n")
    print(f"wrote {base}.md and .jsonl")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--zhiji", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--only", default="")
    parser.add_argument("--record")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    measured = commit()
    examples = Examples(pathlib.Path(arguments.data), HISTORY)
    rows = []
    for workload in MODELS:
        if arguments.only in workload:
            rows += measure(arguments, examples, workload)
    peaks = memory(arguments) if arguments.only in "memory" else []
    if arguments.record:
        record(arguments.record, rows, peaks, examples, measured)


if __name__ == "__main__":
    main()
