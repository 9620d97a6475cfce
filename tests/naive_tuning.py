"""A choice of settings by plain loops, and what it is worth on held-out folds; imports nothing of ours."""

import hashlib
from itertools import product


def naive_folds(videos, count):
    ranked = sorted(videos, key=lambda name: hashlib.sha256(name.encode()).digest())
    return {name: place % count for place, name in enumerate(ranked)}


def naive_grid(space):
    """Every combination of the values as a dict; the first value of each option is where the search starts."""
    return [dict(zip(space, values, strict=True)) for values in product(*space.values())]


def naive_choice(space, scores):
    """The setting of the highest score; of equal ones that with the fewest changes, then the first in the grid."""
    best = None
    for setting in naive_grid(space):
        changes = sum(setting[name] != values[0] for name, values in space.items())
        key = (round(scores[freeze(setting)], 12), -changes)
        if best is None or key > best[0]:
            best = key, setting
    return best[1]


def freeze(setting):
    return tuple(sorted(setting.items()))


def naive_tuning(space, predict, judge, truths, videos, num_folds):
    """predict(setting): rows (video, label, start, end, score); judge(rows, truths): a score."""
    folds = naive_folds(videos, num_folds)
    rows = {freeze(setting): predict(setting) for setting in naive_grid(space)}
    everything = {key: judge(found, truths) for key, found in rows.items()}
    chosen = naive_choice(space, everything)
    of_folds, held_out, gains = [], [], []
    default = rows[freeze({name: values[0] for name, values in space.items()})]
    for fold in range(num_folds):
        others = [row for row in truths if folds[row[0]] != fold]
        scores = {key: judge([row for row in found if folds[row[0]] != fold], others) for key, found in rows.items()}
        of_folds.append(naive_choice(space, scores))
        found = rows[freeze(of_folds[-1])]
        mine = [row for row in truths if folds[row[0]] == fold]
        scored = [judge([row for row in each if folds[row[0]] == fold], mine) for each in (default, found)]
        gains.append(scored)
        held_out += [(place, row) for place, row in enumerate(found) if folds[row[0]] == fold]
    pooled = [row for _, row in sorted(held_out, key=lambda pair: pair[0])]
    return {
        "default": everything[freeze({name: values[0] for name, values in space.items()})],
        "optimistic": everything[freeze(chosen)],
        "pooled": judge(pooled, truths),
        "of_held_out": gains,
        "chosen": chosen,
        "of_folds": of_folds,
        "profile": {
            (name, value): max(score for key, score in everything.items() if dict(key)[name] == value)
            for name, values in space.items()
            for value in values
        },
    }
