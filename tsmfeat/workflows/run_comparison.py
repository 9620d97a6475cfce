"""What differs between two runs: scores, options, features, inputs, and how they were started."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PARTS = ("scores", "options", "features", "inputs", "run")
"""Of a comparison, in the order they are told."""

TASK_FIELDS = ("judged_on", "num_videos", "protocol", "tiou_thresholds")
"""Scores that differ in these are of different things."""
_INPUTS = ("annotations", "inputs", "weights", "setting")
_RUN = ("seconds", "tsmfeat", "git_commit", "output")


@dataclass(frozen=True)
class Difference:
    """A value in which two runs differ; None: one of them has none."""

    name: str
    one: Any
    other: Any

    @property
    def change(self) -> float | None:
        """Second less first, of two numbers."""
        numbers = [value for value in (self.one, self.other) if _is_number(value)]
        return float(numbers[1] - numbers[0]) if len(numbers) == 2 else None


@dataclass(frozen=True)
class RunComparison:
    """What `compare_records` found.

    Parameters
    ----------
    one, other
        The records.
    differences
        By part (`PARTS`).
    obstacles
        Why the scores of the two do not compare; empty where they do.
    """

    one: dict[str, Any]
    other: dict[str, Any]
    differences: dict[str, tuple[Difference, ...]]
    obstacles: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``tsmfeat runs --compare A B --json``."""
        return {
            "compare": [self.one, self.other],
            "scores_compare": not self.obstacles,
            "obstacles": list(self.obstacles),
            "differences": {
                part: [{"name": each.name, "values": [each.one, each.other], "change": each.change} for each in found]
                for part, found in self.differences.items()
            },
        }


def compare_records(one: dict[str, Any], other: dict[str, Any]) -> RunComparison:
    """Return what differs between the records of two runs; of two commands, only options that both have.

    Parameters
    ----------
    one, other
        Records of `tsmfeat.workflows.run_records`.

    Examples
    --------
    >>> one, other = ({"scores": {"final_score": x}, "options": {"heads": {"lr": 0.1 * x}}} for x in (0.5, 0.25))
    >>> [(part, each.name, each.change) for part, found in compare_records(one, other).differences.items()
    ...  for each in found]
    [('scores', 'final_score', -0.25), ('options', 'heads.lr', -0.025)]
    """
    parts: dict[str, tuple[dict[str, Any], ...]] = {name: (_part(one, name), _part(other, name)) for name in PARTS}
    if one.get("command") != other.get("command"):
        shared = [name for name in parts["options"][0] if name in parts["options"][1]]
        parts["options"] = tuple({name: options[name] for name in shared} for options in parts["options"])
    differences = {name: _differences(*pair) for name, pair in parts.items()}
    return RunComparison(one, other, differences, tuple(_obstacles(one, other)))


def _part(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    match name:
        case "scores":
            return _score_fields(record.get("scores") or {})
        case "options":
            return flatten(record.get("options") or {})
        case "features":
            specs = [spec.get("fields", spec) for spec in record.get("specs") or []]
            return flatten(specs[0] if len(specs) == 1 else {str(place): spec for place, spec in enumerate(specs, 1)})
        case "inputs":
            return flatten({part: record.get(part) for part in _INPUTS if record.get(part) is not None})
        case _:
            return {part: record.get(part) for part in _RUN}


def _score_fields(scores: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in scores.items() if name not in ("map", "tiou_thresholds")}
    pairs = zip(scores.get("tiou_thresholds") or [], scores.get("map") or [], strict=False)
    return flatten(found) | {f"mAP at tIoU {threshold:g}": value for threshold, value in pairs}


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested values by their dotted names; a list of plain values is one text.

    Examples
    --------
    >>> flatten({"heads": {"lr": 0.1, "tasks": ["action", "scene"]}, "inputs": [{"name": "a"}]})
    {'heads.lr': 0.1, 'heads.tasks': 'action,scene', 'inputs.1.name': 'a'}
    """
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            found |= flatten(value, f"{name}.")
        elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
            found |= flatten({str(place): item for place, item in enumerate(value, 1)}, f"{name}.")
        else:
            found[name] = ",".join(map(_word, value)) if isinstance(value, list) else value
    return found


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[Difference, ...]:
    names = dict.fromkeys([*one, *other])
    return tuple(
        Difference(name, one.get(name), other.get(name))
        for name in names
        # A number that is missing and one that is null say the same.
        if one.get(name) != other.get(name)
    )


def _obstacles(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Say why two final scores are of different things."""
    asked = [(record.get("annotations") or {}).get("sha256") for record in (one, other)]
    found = ["the annotations differ"] if asked[0] != asked[1] else []
    # One subset is other videos where features of some are missing.
    words = ("judged on", "number of videos", "protocol", "tIoU thresholds")
    for name, what in zip(TASK_FIELDS, words, strict=True):
        pair = [(record.get("scores") or {}).get(name) for record in (one, other)]
        if pair[0] != pair[1] and None not in pair:
            found.append(f"{what} {_told(pair[0])} and {_told(pair[1])}")
    return found


def _told(value: object) -> str:
    return ", ".join(f"{item:g}" for item in value) if isinstance(value, list) else str(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
