#!/usr/bin/env python3
"""Replays mtmc's strategies on recorded spaces and sets them beside kernel_tuner's raw curves.

    quality.py --mtmc build/release/bin/mtmc --kernel-tuner results/data/kernel-tuner-curves.csv.gz --seeds 200 FILE.json.gz... > results/tuner-quality.md

Fraction of the optimum, mean over seeds, then over spaces; the interval is 95 % (normal) of that mean. kernel_tuner's rows come from
kernel_tuner_quality.py on the same files: the best of BUDGET evaluations in its own simulation mode with default options; simulated_annealing, whose
schedule follows max_fevals, is run for each budget. No summary holds dedispersion on A100, which any search solves.
"""
import argparse
import collections
import concurrent.futures
import csv
import gzip
import json
import os
import statistics
import subprocess

BUDGETS = [25, 50, 100, 200, 400]


def interval(per_space):
    """Half width of the 95 % interval of the mean over spaces of means over seeds."""
    return 1.96 * sum(v for _, v in per_space) ** 0.5 / len(per_space)


def row(name, cells):
    means = [m for m, _ in cells]
    return (statistics.mean(means), name, cells)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mtmc", required=True)
    parser.add_argument("--kernel-tuner", required=True)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    names = [os.path.basename(f).replace(".json.gz", "") for f in args.files]
    listed = json.loads(subprocess.run([args.mtmc, "tune", "--strategy", "list", "--json"], check=True, capture_output=True).stdout)
    ours = [s["name"] for s in listed["strategies"] if s["name"] != "exhaustive"]

    mtmc = {}
    def replay(job):
        file, name, strategy, budget = job
        out = subprocess.run([args.mtmc, "tune", "--simulate", file, "--strategy", strategy, "--evaluations", str(budget),
                              "--seeds", str(args.seeds), "--json", "--quiet"], check=True, capture_output=True).stdout
        mtmc[strategy, name, budget] = json.loads(out)

    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(replay, [(f, n, s, b) for f, n in zip(args.files, names) for s in ours for b in BUDGETS]))

    peer = collections.defaultdict(list)
    seconds, evaluations = collections.defaultdict(float), collections.defaultdict(int)
    opener = gzip.open if args.kernel_tuner.endswith(".gz") else open
    with opener(args.kernel_tuner, "rt") as f:
        for r in csv.DictReader(f):
            if r["file"] not in names:
                continue
            own = r["strategy"] == "simulated_annealing"
            for b in BUDGETS:
                if (int(r["budget"]) == b) if own else (r["budget"] == "400"):
                    peer[r["strategy"], r["file"], b].append(float(r[f"at_{b}"]))
            if r["budget"] == "400":
                seconds[r["strategy"]] += float(r["seconds"])
                evaluations[r["strategy"]] += int(r["evaluations"])

    table = []
    for strategy in ours:
        cells = []
        for b in BUDGETS:
            per = [(mtmc[strategy, n, b]["fraction_of_optimum"]["mean"], (mtmc[strategy, n, b]["fraction_of_optimum"]["ci95"] / 1.96) ** 2) for n in names]
            cells.append((statistics.mean(m for m, _ in per), interval(per)))
        cost = max(mtmc[strategy, n, b]["us_per_evaluation"] for n in names for b in BUDGETS)
        table.append(row(f"mtmc {strategy}", cells) + (f"{cost:.1f}",))
    for strategy in sorted({s for s, _, _ in peer}):
        seeds = min(len(peer[strategy, n, b]) for n in names for b in BUDGETS)
        if seeds < 30:
            continue
        cells = []
        for b in BUDGETS:
            per = [(statistics.mean(peer[strategy, n, b]), statistics.variance(peer[strategy, n, b]) / len(peer[strategy, n, b])) for n in names]
            cells.append((statistics.mean(m for m, _ in per), interval(per)))
        table.append(row(f"kernel_tuner {strategy}" + (f" ({seeds}+ seeds)" if seeds < 100 else ""), cells) + (f"{1e6 * seconds[strategy] / evaluations[strategy]:.0f}",))
    table.sort(reverse=True)

    print("# Quality of search strategies\n")
    print(f"Fraction of the optimum after so many evaluations, mean over {len(names)} recorded spaces ({', '.join(names)}); {args.seeds} seeds (kernel_tuner 1.4.0: "
          "100, or what the row says), 95 % intervals. The last column is the framework's own cost: the largest over spaces and budgets for mtmc, the mean for kernel_tuner.\n")
    print(f"Made by `benchmarks/quality.py --mtmc {args.mtmc} --kernel-tuner {args.kernel_tuner} --seeds {args.seeds} FILE...` on the files "
          "named above; the curves by `benchmarks/kernel_tuner_quality.py` on the same.\n")
    print("| strategy | " + " | ".join(map(str, BUDGETS)) + " | mean of the five | us/evaluation |")
    print("|---|" + "---|" * (len(BUDGETS) + 2))
    for mean, name, cells, cost in table:
        print(f"| {name} | " + " | ".join(f"{m:.4f} ± {c:.4f}" for m, c in cells) + f" | {mean:.4f} | {cost} |")
    best = [max(cells[i][0] for _, name, cells, _ in table if name.startswith("kernel_tuner")) for i in range(len(BUDGETS))]
    portfolio = next(cells for _, name, cells, _ in table if name == "mtmc portfolio")
    print("\nPortfolio minus the best kernel_tuner strategy of each budget, in points: " +
          ", ".join(f"{b}: {100 * (portfolio[i][0] - best[i]):+.1f}" for i, b in enumerate(BUDGETS)) + ".\n")
    print("## Portfolio per space\n")
    print("| space | " + " | ".join(map(str, BUDGETS)) + " |")
    print("|---|" + "---|" * len(BUDGETS))
    for n in names:
        print(f"| {n} | " + " | ".join(f"{mtmc['portfolio', n, b]['fraction_of_optimum']['mean']:.4f}" for b in BUDGETS) + " |")


if __name__ == "__main__":
    main()
