"""Losses of one row and their gradients by small differences, written out. Imports nothing of ours."""

import math

import numpy as np


def naive_softmax(scores):
    highest = max(scores)
    powers = [math.exp(score - highest) for score in scores]
    return [power / sum(powers) for power in powers]


def naive_cross_entropy(scores, shares, smoothing=0.0):
    highest, total = max(scores), 0.0
    denominator = math.log(sum(math.exp(score - highest) for score in scores))
    for score, share in zip(scores, shares, strict=True):
        total -= (share * (1 - smoothing) + smoothing / len(scores)) * (score - highest - denominator)
    return total


def naive_focal(scores, shares, gamma, smoothing=0.0):
    chances = naive_softmax(scores)
    total = 0.0
    for chance, share in zip(chances, shares, strict=True):
        total -= (share * (1 - smoothing) + smoothing / len(scores)) * (1 - chance) ** gamma * math.log(chance)
    return total


def naive_sigmoid(scores, shares, smoothing=0.0):
    total = 0.0
    for score, share in zip(scores, shares, strict=True):
        rare = math.log1p(math.exp(-abs(score)))  # of what is the less likely answer
        log_yes, log_no = min(score, 0.0) - rare, min(-score, 0.0) - rare
        wanted = share * (1 - smoothing) + smoothing / 2
        total -= wanted * log_yes + (1 - wanted) * log_no
    return total


def naive_slopes(loss, scores, nudge=1e-6):
    """Central differences."""
    slopes = []
    for place in range(len(scores)):
        up, down = np.array(scores, float), np.array(scores, float)
        up[place] += nudge
        down[place] -= nudge
        slopes.append((loss(up.tolist()) - loss(down.tolist())) / (2 * nudge))
    return slopes


def naive_log_loss(scores, targets, temperature, activation):
    row = naive_sigmoid if activation == "sigmoid" else naive_cross_entropy
    return sum(
        row([z / temperature for z in line], wanted) for line, wanted in zip(scores, targets, strict=True)
    ) / len(scores)
