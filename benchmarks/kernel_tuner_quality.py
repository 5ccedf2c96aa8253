#!/usr/bin/env python3
"""Runs kernel_tuner's strategies in its own simulation mode on recorded spaces and keeps the raw curves.

    kernel_tuner_quality.py --out raw.csv --seeds 100 --budget 400 --strategies a,b FILE.json.gz...

Needs kernel_tuner 1.4 from PyPI. Each run gets max_fevals = BUDGET evaluations of configurations that
it has not seen; the curve is the best objective after 25, 50, 100, 200 and 400 of them, as a fraction of the
optimum of the recording (0 while nothing valid was found). A strategy that ends early keeps its last best.
Each run gets a Searchspace of its own, made
from the recorded configurations (a shared one would carry its cache of neighbours from run to run, and with it what earlier runs
found); the loaded recording serves all runs of a file. Rows are appended and known ones skipped, so that an
interrupted run goes on.
"""
import argparse
import contextlib
import csv
import gzip
import io
import json
import os
import random
import sys
import tempfile
import time
import warnings

CHECKPOINTS = [25, 50, 100, 200, 400]


def load(path, folder):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt") as f:
        data = json.load(f)
    data.setdefault("objective", "time")
    data["cache"] = data.pop("cache")  # kernel_tuner appends to the file and needs it last
    plain = os.path.join(folder, os.path.basename(path).replace(".gz", ""))
    with open(plain, "w") as f:
        json.dump(data, f)
    return data, plain


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--budget", type=int, default=400)
    parser.add_argument("--limit-s", type=float, default=1e9, help="per strategy and file; what is left is not run")
    parser.add_argument("--strategies", default="random_sample,genetic_algorithm")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()

    import numpy as np
    import kernel_tuner
    from kernel_tuner import interface, util
    from kernel_tuner.runners import simulation
    from kernel_tuner.searchspace import Searchspace

    warnings.filterwarnings("ignore")
    done = set()
    if os.path.exists(args.out):
        with open(args.out) as f:
            done = {(r["file"], r["strategy"], int(r["budget"]), int(r["seed"])) for r in csv.DictReader(f)}
    else:
        with open(args.out, "w") as f:
            f.write("file,strategy,budget,seed,evaluations,seconds," + ",".join(f"at_{c}" for c in CHECKPOINTS) + "\n")

    folder = tempfile.mkdtemp()
    original_process_cache = util.process_cache
    for path in args.files:
        name = os.path.basename(path).replace(".json.gz", "")
        data, plain = load(path, folder)
        loaded = {}

        def fresh_space(*a, **k):
            space = Searchspace(None, None, None, from_cache=data)
            space._modified_restrictions = []
            return space


        def cached(*a, **k):
            if "cache" not in loaded:
                loaded["cache"] = original_process_cache(*a, **k)
            return loaded["cache"]

        interface.util.process_cache = cached
        interface.Searchspace = fresh_space
        times = [c["time"] for c in data["cache"].values() if not isinstance(c["time"], str)]
        optimum = min(times)

        curve = []
        runner = simulation.SimulationRunner
        original_run = runner.run

        def run(self, parameter_space, tuning_options):
            # One at a time, so that the order of evaluations is seen.
            results = []
            for element in parameter_space:
                before = len(self.visited_results)
                one = original_run(self, [element], tuning_options)
                results += one
                if one and one[0] is not None and len(self.visited_results) > before:
                    value = one[0].get("time")
                    good = isinstance(value, (int, float)) and "__error__" not in one[0]
                    best = curve[-1] if curve else float("inf")
                    curve.append(min(best, value) if good else best)
            return results

        runner.run = run
        try:
            for strategy in args.strategies.split(","):
                started = time.time()
                for seed in range(args.seeds):
                    if (name, strategy, args.budget, seed) in done:
                        continue
                    if time.time() - started > args.limit_s:
                        print(f"{name} {strategy}: stopped after {seed} seeds", file=sys.stderr)
                        break
                    random.seed(seed)
                    np.random.seed(seed)
                    curve.clear()
                    begin = time.perf_counter()
                    with contextlib.redirect_stdout(io.StringIO()):
                        try:
                            kernel_tuner.tune_kernel(
                                data["kernel_name"], "", data["problem_size"], [], dict(data["tune_params"]),
                                simulation_mode=True, cache=plain, strategy=strategy, lang="CUDA", quiet=True,
                                strategy_options={"max_fevals": args.budget})
                        except Exception as error:  # some strategies raise when the budget ends
                            if not curve:
                                print(f"{name} {strategy} {seed}: {type(error).__name__}: {error}", file=sys.stderr)
                                break
                    seconds = time.perf_counter() - begin
                    at = []
                    for c in CHECKPOINTS:
                        best = curve[min(c, len(curve)) - 1] if c <= args.budget else float("nan")
                        at.append("" if c > args.budget else f"{optimum / best:.6f}")
                    with open(args.out, "a") as f:
                        f.write(f"{name},{strategy},{args.budget},{seed},{len(curve)},{seconds:.4f}," + ",".join(at) + "\n")
        finally:
            runner.run = original_run


if __name__ == "__main__":
    main()
