"""Sweeps: the settings of heads to try, and which of them served best."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import product
from statistics import mean, stdev
from typing import Any

from tsmfeat.errors import ConfigurationError, did_you_mean
from tsmfeat.heads.options import HeadOptions

Value = float | int | str | bool
# Decided otherwise, or not one value.
_NOT_SWEPT = ("seed", "tasks", "device")
_SWITCHES = {"on": True, "off": False}
SWEEP_COLUMN = "rank"
"""The first column of the table of all runs."""


@dataclass(frozen=True)
class SweptRun:
    """One run of a sweep, and how it did.

    Parameters
    ----------
    setting
        The options that vary, by name.
    seed
        Its seed.
    final_score
        On the validation videos or out of fold; NaN where there is none.
    map
        Per tIoU threshold.
    scene_accuracy
        None without scenes.
    best_epoch
        Counted from 1.
    epochs
        Losses and validation score of every epoch.
    """

    setting: Mapping[str, Value]
    seed: int
    final_score: float
    map: tuple[float, ...]
    scene_accuracy: float | None
    best_epoch: int
    epochs: Sequence[Mapping[str, Any]]

    def to_dict(self) -> dict[str, Any]:
        """Return the run as JSON-able values."""
        return {**asdict(self), "setting": dict(self.setting), "map": list(self.map)}


@dataclass(frozen=True)
class SettingScore:
    """How a setting did over its seeds.

    Parameters
    ----------
    setting
        The options that vary, by name.
    mean, deviation
        Of the final score over the seeds; the deviation (of a sample) is NaN for one seed.
    places
        Its runs, the best first.
    """

    setting: Mapping[str, Value]
    mean: float
    deviation: float
    places: tuple[int, ...]


def expand_sweep(base: HeadOptions, sweep: str, num_seeds: int = 1) -> list[HeadOptions]:
    """Return the options of every run of a sweep: settings in the order of their values, the seeds of each together.

    Parameters
    ----------
    base
        What is not swept.
    sweep
        ``"name=value,value;name=value"``, names as on the command line; empty: one setting.
    num_seeds
        Seeds of each setting, from that of `base` on.

    Raises
    ------
    ConfigurationError
        Text that is no sweep, an option that is not known or not swept, or a value it cannot have.

    Examples
    --------
    >>> [(run.lr, run.dropout) for run in expand_sweep(HeadOptions(), "lr=0.1,0.2;dropout=0,0.5")]
    [(0.1, 0.0), (0.1, 0.5), (0.2, 0.0), (0.2, 0.5)]
    """
    values = parse_sweep(sweep)
    settings: list[dict[str, Any]] = [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]
    return [replace(base, seed=base.seed + number, **setting) for setting in settings for number in range(num_seeds)]


def parse_sweep(text: str) -> dict[str, tuple[Value, ...]]:
    """Return the values of each option of a sweep, by its name in `HeadOptions`.

    Raises
    ------
    ConfigurationError
        As `expand_sweep`.

    Examples
    --------
    >>> parse_sweep("weight-decay=0,1e-3; head=linear,mlp")
    {'weight_decay': (0.0, 0.001), 'head': ('linear', 'mlp')}
    """
    found: dict[str, tuple[Value, ...]] = {}
    for part in (part.strip() for part in text.split(";") if part.strip()):
        name, sign, words = part.partition("=")
        option = name.strip().replace("-", "_")
        known = [field.name for field in fields(HeadOptions) if field.name not in _NOT_SWEPT]
        if option not in known:
            shown = [each.replace("_", "-") for each in known]
            hint = did_you_mean(name.strip(), shown) or f"options are {', '.join(shown)}"
            raise ConfigurationError(f"sweep {part!r}: no option of heads that is swept", hint)
        values = tuple(_parse_value(option, word.strip()) for word in words.split(","))
        if not sign or len(set(values)) < len(values) or option in found:
            raise ConfigurationError(
                f"sweep {part!r}: it is an option once, with values that differ", "use for example lr=0.001,0.01"
            )
        found[option] = values
    return found


def _parse_value(option: str, word: str) -> Value:
    default = getattr(HeadOptions, option)
    try:
        if isinstance(default, bool):
            return _SWITCHES[word]
        if isinstance(default, int):
            return int(word)
    except (KeyError, ValueError) as error:
        rule = "on or off" if isinstance(default, bool) else "a whole number"
        raise ConfigurationError(f"sweep {option}={word}: it is {rule}", f"the default is {default}") from error
    try:
        return float(word)
    except ValueError as error:
        if isinstance(default, str) or option == "background_weight":
            return word
        raise ConfigurationError(f"sweep {option}={word}: it is a number", f"the default is {default}") from error


def rank_settings(runs: Sequence[SweptRun]) -> list[SettingScore]:
    """Return the settings, the best mean final score first; of equal ones the earlier.

    Examples
    --------
    >>> runs = [SweptRun({"lr": lr}, 0, score, (), None, 1, ()) for lr, score in ((0.1, 0.25), (0.2, 0.5))]
    >>> [(found.setting, found.mean) for found in rank_settings(runs)]
    [({'lr': 0.2}, 0.5), ({'lr': 0.1}, 0.25)]
    """
    places: dict[tuple[Value, ...], list[int]] = {}
    for place, run in enumerate(runs):
        places.setdefault(tuple(run.setting.values()), []).append(place)
    scored = [_score_setting(runs, members) for members in places.values()]
    return sorted(scored, key=lambda found: -found.mean if math.isfinite(found.mean) else math.inf)


def require_scored(ranking: Sequence[SettingScore]) -> None:
    """Refuse a sweep without any setting that can be kept.

    Raises
    ------
    ConfigurationError
        A run of every setting diverged.
    """
    if math.isnan(ranking[0].mean):
        raise ConfigurationError(
            f"a run of each of the {len(ranking)} settings diverged; none can be kept", "sweep smaller learning rates"
        )


def _score_setting(runs: Sequence[SweptRun], places: list[int]) -> SettingScore:
    scores = [runs[place].final_score for place in places]
    deviation = stdev(scores) if len(scores) > 1 else math.nan
    order = sorted(places, key=lambda place: -runs[place].final_score if runs[place].final_score >= 0 else 0.0)
    return SettingScore(runs[places[0]].setting, mean(scores), deviation, tuple(order))


def sweep_table(runs: Sequence[SweptRun], tiou_thresholds: Iterable[float]) -> str:
    """Return all runs as CSV, those of the best setting first.

    Parameters
    ----------
    runs
        At least one.
    tiou_thresholds
        Of their mAPs.
    """
    names = list(runs[0].setting)
    maps = [f"map@{threshold:g}" for threshold in tiou_thresholds]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    header = [
        SWEEP_COLUMN,
        *(name.replace("_", "-") for name in names),
        "seed",
        "final_score",
        "mean",
        "deviation",
        *maps,
    ]
    writer.writerow([*header, "scene_accuracy", "best_epoch"])
    for rank, found in enumerate(rank_settings(runs), start=1):
        for place in found.places:
            run = runs[place]
            scores = [_cell(value) for value in (run.final_score, found.mean, found.deviation, *run.map)]
            values = [run.setting[name] for name in names]
            writer.writerow([rank, *values, run.seed, *scores, _cell(run.scene_accuracy), run.best_epoch])
    return out.getvalue()


def _cell(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.6f}"
