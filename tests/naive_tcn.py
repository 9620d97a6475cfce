"""A dilated residual network and its smoothing loss in loops over rows and numbers. Imports nothing of ours."""

import math
from itertools import pairwise


def _apply(weight, bias, row):
    return [sum(w * x for w, x in zip(line, row, strict=True)) + b for line, b in zip(weight, bias, strict=True)]


def naive_represent(body, video):
    """Carry the rows of one video through a network; `body` holds nested lists."""
    hidden = [_apply(body["input_weight"], body["input_bias"], row) for row in video]
    size = len(body["input_bias"])
    for layer in range(len(body["dilated_weight"])):
        reach = 2**layer
        added = []
        for index in range(len(hidden)):
            around = []
            for other in (index - reach, index, index + reach):
                around += hidden[other] if 0 <= other < len(hidden) else [0.0] * size
            seen = [max(0.0, x) for x in _apply(body["dilated_weight"][layer], body["dilated_bias"][layer], around)]
            added.append(_apply(body["pointwise_weight"][layer], body["pointwise_bias"][layer], seen))
        hidden = [[h + a for h, a in zip(*rows, strict=True)] for rows in zip(hidden, added, strict=True)]
    return hidden


def naive_smoothing_loss(videos, truncation=4.0):
    """Average over all neighbours of all videos; `videos` holds lists of rows of scores."""
    squares = []
    for video in videos:
        logs = [[score - math.log(sum(math.exp(s) for s in row)) for score in row] for row in video]
        for earlier, later in pairwise(logs):
            squares += [min(abs(b - a), truncation) ** 2 for a, b in zip(earlier, later, strict=True)]
    return sum(squares) / len(squares) if squares else 0.0
