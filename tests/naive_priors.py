"""Priors of whole videos in plain Python, written from the formulas alone; imports nothing of ours."""

import math


def naive_rates(total, by_scene, added):
    """p(a) = (n_a + k) / (N + kC); p(a|s) = (n_sa + kC p(a)) / (n_s + kC)."""
    count = len(total)
    rates = [(n + added) / (sum(total) + added * count) for n in total]
    scenes = [
        [(n + added * count * rate) / (sum(row) + added * count) for n, rate in zip(row, rates, strict=True)]
        for row in by_scene
    ]
    return rates, scenes


def naive_scene_logs(scene_shares, rates, by_scene):
    """log Σ_s p(s|V) p(a|s) − log p(a) for each action of one video."""
    return [
        math.log(sum(share * row[action] for share, row in zip(scene_shares, by_scene, strict=True))) - math.log(rate)
        for action, rate in enumerate(rates)
    ]


def naive_tilt_row(row, logs, gamma):
    """One interval's probabilities, background last, by log p(a|i,V) = log p(a|i) + γ·log ratio, its share kept."""
    *actions, background = row
    raised = [math.exp(math.log(p) + gamma * ratio) if p > 0 else 0.0 for p, ratio in zip(actions, logs, strict=True)]
    whole, kept = sum(raised), sum(actions)
    return [*(kept * value / whole for value in raised), background]
