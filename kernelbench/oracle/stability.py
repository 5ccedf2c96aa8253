"""When to start believing samples and when to stop taking them: medians, and no assumption about their spread."""

import random


def median(samples):
    ordered, half = sorted(samples), len(samples) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def interval_of_median(samples):
    """About 95 %, by order statistics: exact for any distribution. The whole range below six samples."""
    ordered, n = sorted(samples), len(samples)
    away = round(0.98 * n**0.5)
    low, high = max(0, (n - 1) // 2 - away), min(n - 1, n // 2 + away)
    return (ordered[low], ordered[high]) if n >= 6 else (ordered[0], ordered[-1])


def is_stable(samples, window=5, within=0.02):
    """Warm: the last two windows agree, and nothing in the last is far off its median."""
    if len(samples) < 2 * window:
        return False
    before, last = median(samples[-2 * window:-window]), median(samples[-window:])
    return abs(before - last) <= within * last


def is_known(samples, within=0.01, least=15):
    """Enough: the interval of the median is narrow."""
    if len(samples) < least:
        return False
    low, high = interval_of_median(samples)
    return high - low <= 2 * within * median(samples)


def ratio_interval(a, b, seed=1, rounds=2000):
    """median(a) / median(b) of interleaved samples, with its bootstrap interval (95 %). Pairs are drawn together, so
    that a drift of the machine cancels."""
    pairs = list(zip(a, b))
    draw = random.Random(seed)
    ratios = []
    for _ in range(rounds):
        picked = draw.choices(pairs, k=len(pairs))
        ratios.append(median([p[0] for p in picked]) / median([p[1] for p in picked]))
    ratios.sort()
    return median(a) / median(b), ratios[int(0.025 * rounds)], ratios[int(0.975 * rounds) - 1]
