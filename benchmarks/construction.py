#!/usr/bin/env python3
"""Builds the search spaces of T1 problems with mtmc, kernel_tuner and pyATF, side by side in one run.

    construction.py --mtmc build/release/bin/mtmc --runs 5 T1.json... > results/tuner-construction.md

Needs kernel_tuner 1.4 and pyatf from PyPI. Every number is the best of RUNS; parsing the expressions is part of each, reading the
file is part of none. mtmc is a fresh process each time. kernel_tuner: Searchspace with its default solver and the restrictions as
texts. pyATF: its SearchSpace (chain of trees), constraints compiled from the same texts and attached to the last parameter they use.
"""
import argparse
import json
import os
import platform
import subprocess
import time
import warnings

warnings.filterwarnings("ignore")


def best(runs, build):
    times = []
    for _ in range(runs):
        begin = time.perf_counter()
        size = build()
        times.append(1000 * (time.perf_counter() - begin))
    return min(times), size


def kernel_tuner_space(parameters, conditions):
    from kernel_tuner.searchspace import Searchspace
    values = {p["Name"]: list(eval(p["Values"])) for p in parameters}
    return len(Searchspace(values, [c["Expression"] for c in conditions], 1024).list)


def pyatf_space(parameters, conditions):
    from pyatf import TP, Set
    from pyatf.search_space import SearchSpace
    names = [p["Name"] for p in parameters]
    tps = []
    for place, p in enumerate(parameters):
        mine = []
        for c in conditions:
            used = [n for n in names if n in c["Parameters"] or n in c["Expression"]]
            if max(names.index(n) for n in used) == place:
                mine.append((used, c["Expression"]))
        constraint = None
        if mine:
            used = sorted({n for u, _ in mine for n in u} - {p["Name"]}, key=names.index)
            text = " and ".join(f"({e})" for _, e in mine)
            constraint = eval(f"lambda {', '.join([p['Name']] + used)}: {text}")
        values = Set(*eval(p["Values"]))
        tps.append(TP(p["Name"], values, constraint) if constraint else TP(p["Name"], values))
    return SearchSpace(*tps, enable_1d_access=True, verbosity=0).constrained_size


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mtmc", required=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    from importlib.metadata import version
    print("# Construction of search spaces\n")
    print(f"Milliseconds, best of {args.runs}; kernel_tuner {version('kernel_tuner')} (python-constraint2 {version('python-constraint2')}), "
          f"pyATF {version('pyatf')}, Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}.\n")
    print(f"Made by `benchmarks/construction.py --mtmc {args.mtmc} --runs {args.runs} FILE...` on the benchmark hub's T1 problems of these names.\n")
    print("| space | Cartesian | valid | mtmc | kernel_tuner | pyATF | kernel_tuner / mtmc | pyATF / mtmc |")
    print("|---|---|---|---|---|---|---|---|")
    for path in args.files:
        with open(path) as f:
            space = json.load(f)["ConfigurationSpace"]
        parameters, conditions = space["TuningParameters"], space["Conditions"]
        ours = [json.loads(subprocess.run([args.mtmc, "tune", "--t1", path, "--count", "--json"], check=True, capture_output=True).stdout)
                for _ in range(args.runs)]
        mtmc_ms, valid = min(r["construct_ms"] for r in ours), ours[0]["valid"]
        kt_ms, kt_size = best(args.runs, lambda: kernel_tuner_space(parameters, conditions))
        atf_ms, atf_size = best(args.runs, lambda: pyatf_space(parameters, conditions))
        assert valid == kt_size == atf_size, (path, valid, kt_size, atf_size)
        name = os.path.basename(path).replace(".json", "")
        print(f"| {name} | {ours[0]['cartesian']:,} | {valid:,} | {mtmc_ms:.3f} | {kt_ms:.1f} | {atf_ms:.2f} | {kt_ms / mtmc_ms:.0f}x | {atf_ms / mtmc_ms:.1f}x |")


if __name__ == "__main__":
    main()
