"""What readers of every format do with rows that break a rule, and how they say so."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError, InputError, did_you_mean
from tsmfeat.formats.options import INVALID_CHOICES, Invalid
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary

_MAX_LISTED = 20
_MAX_ALIKE = 3
# Looking for the nearest name costs time: the first unknown ones show what went wrong.
_MOST_GUESSES = 20

PlaceOf = Callable[[int], str]
"""From a row's number to where it stands in its file: ``":17"`` is a line of it."""


def checked_source(path: Path | str, invalid: str) -> Path:
    """Return the path of a file to read, the choice of what to do with invalid rows checked.

    Raises
    ------
    ConfigurationError
        The choice is not one of ``INVALID_CHOICES``.
    """
    if invalid not in INVALID_CHOICES:
        raise ConfigurationError(
            f"invalid={invalid!r}; the choices are {', '.join(INVALID_CHOICES)}", did_you_mean(invalid, INVALID_CHOICES)
        )
    return Path(path)


def judge_segments(
    segments: Segments, place_of: PlaceOf, invalid: Invalid, problems: list[str]
) -> tuple[Segments, int]:
    """Drop, keep or list the rows that end at or before their start or hold a number that is not finite.

    Parameters
    ----------
    segments
        Rows as they stand in the file.
    place_of
        Names the place of a row.
    invalid
        ``"drop"``, ``"keep"`` or ``"error"``.
    problems
        With ``"error"`` a line is added for each such row.

    Returns
    -------
    segments, num_dropped
        The rows left, and how many are not among them.

    Examples
    --------
    >>> rows = Segments([0, 0], [0, 0], [0.0, 5.0], [2.0, 5.0], [1.0, 1.0])
    >>> left, num_dropped = judge_segments(rows, str, "drop", [])
    >>> len(left), num_dropped
    (1, 1)
    """
    if invalid == "keep":
        return segments, 0
    finite = np.isfinite(segments.start) & np.isfinite(segments.end) & np.isfinite(segments.score)
    valid = finite & (segments.start < segments.end)
    if invalid == "error":
        # Listed by `list_nan_scores` already.
        nan_score_alone = np.isnan(segments.score) & (segments.start < segments.end)
        problems += [
            f"{place_of(row)}: segment [{segments.start[row]}, {segments.end[row]}] with score {segments.score[row]}; "
            "a segment ends after its start, and its numbers are finite"
            for row in np.flatnonzero(~valid & ~nan_score_alone).tolist()
        ]
    num_dropped = len(valid) - int(np.count_nonzero(valid))
    return (segments.take(valid), num_dropped) if num_dropped else (segments, 0)


def list_rows(bad: npt.NDArray[np.bool_], place_of: PlaceOf, rule: str) -> list[str]:
    """Return a line for each row marked: its place and the rule it breaks.

    Examples
    --------
    >>> list_rows(np.array([False, True]), "row {}".format, "no label; a segment has one")
    ['row 1: no label; a segment has one']
    """
    return [f"{place_of(row)}: {rule}" for row in np.flatnonzero(bad).tolist()]


def impose_classes(
    names: tuple[str, ...], segments: Segments, classes: Vocabulary | None, place_of: PlaceOf, problems: list[str]
) -> tuple[Vocabulary, Segments]:
    """Return the vocabulary of annotations and their segments numbered by it.

    Parameters
    ----------
    names
        The labels of the file by first appearance: what the segments' label ids mean.
    segments
        Rows as they stand in the file.
    classes
        The vocabulary to use; None: the file's own.
    place_of
        Names the place of a row.
    problems
        A line is added for each label that is not among the classes, with the place of its first row.

    Examples
    --------
    >>> rows, problems = Segments([0], [0], [0.0], [2.0], [1.0]), []
    >>> vocabulary, _ = impose_classes(("wlak",), rows, Vocabulary(("walk",)), ":{}".format, problems)
    >>> problems
    [":0: class 'wlak' is not among the 1 classes given (1 rows); did you mean 'walk'?"]
    """
    names = tuple(name or "nameless" for name in names)  # listed as a problem already
    if classes is None:
        return Vocabulary(tuple(dict.fromkeys(names))), segments
    problems += _list_unknown(names, segments, classes, place_of)
    label = classes.ids_of(names, unknown=0)[segments.label] if names else segments.label
    return classes, Segments(segments.video, label, segments.start, segments.end, segments.score)


def _list_unknown(names: tuple[str, ...], segments: Segments, classes: Vocabulary, place_of: PlaceOf) -> Iterator[str]:
    if all(name in classes for name in names):
        return
    found = np.unique(segments.label, return_index=True, return_counts=True)
    unknown = [row for row in zip(*(column.tolist() for column in found), strict=True) if names[row[0]] not in classes]
    for number, (label, first, count) in enumerate(unknown):
        nearest = did_you_mean(names[label], classes.names) if number < _MOST_GUESSES else ""
        hint = nearest or f"they begin with {', '.join(classes.names[:5])}"
        yield (
            f"{place_of(first)}: class {names[label]!r} is not among the {len(classes)} classes given "
            f"({count} rows); {hint}"
        )


def list_bad_text(text: str, place: str, problems: list[str]) -> None:
    r"""Add a line where a text holds half a surrogate pair: JSON can spell it, but no file can hold it.

    Examples
    --------
    >>> problems = []
    >>> list_bad_text("\ud800", "results['v'][0].label", problems)
    >>> problems
    ["results['v'][0].label: '\\ud800' is not a valid Unicode text"]
    """
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            problems.append(f"{place}: {text!r} is not a valid Unicode text")


def list_nameless(names: Sequence[str], segments: Segments, place_of: PlaceOf) -> list[str]:
    """Return a line for each row whose label is an empty text."""
    if "" not in names:
        return []
    return list_rows(segments.label == names.index(""), place_of, "the label is empty; a label is a name")


def list_nan_scores(segments: Segments, place_of: PlaceOf, invalid: Invalid) -> list[str]:
    """Return a line for each row whose score is NaN: an error always, but where rows are kept as they stand."""
    if invalid == "keep":
        return []
    return list_rows(np.isnan(segments.score), place_of, "the score is NaN; a score is a number")


def refuse_problems(path: Path, problems: Sequence[str]) -> None:
    """Raise one error for all problems of a file, the first twenty of them in words.

    A problem that begins with a line's number, such as ``:17: no score``, stands behind the file's name. Of more than
    three problems that say the same of different places, three stand in words, and the others are counted.

    Raises
    ------
    InputError
        There is at least one.

    Examples
    --------
    >>> refuse_problems(Path("a.json"), ["results['v'][0]: no score"])
    Traceback (most recent call last):
    tsmfeat.errors.InputError: a.json: results['v'][0]: no score (hint: mend the file, or make it again)
    >>> refuse_problems(Path("gt.csv"), [":17: no score", ":18: no score"])
    Traceback (most recent call last):
    tsmfeat.errors.InputError: gt.csv: 2 problems: gt.csv:17: no score; gt.csv:18: no score (hint: mend the file, ...
    """
    if not problems:
        return
    if len(problems) == 1:
        place = str(path) if problems[0].startswith(":") else f"{path}: "
        raise InputError(f"{place}{problems[0]}", "mend the file, or make it again", problems)
    told, num_told = _tell_groups(problems)
    listed = "; ".join(path.name + line if line.startswith(":") else line for line in told)
    more = f"; and {len(problems) - num_told} more" if len(problems) > num_told else ""
    raise InputError(f"{path}: {len(problems)} problems: {listed}{more}", "mend the file, or make it again", problems)


def _tell_groups(problems: Sequence[str]) -> tuple[list[str], int]:
    """Return the lines to print, and how many problems they speak of."""
    groups: dict[str, list[str]] = {}
    for problem in problems:
        groups.setdefault(problem.partition(": ")[2] or problem, []).append(problem)
    told: list[str] = []
    num_told = 0
    for group in groups.values():
        shown = group[: min(_MAX_ALIKE, _MAX_LISTED - len(told))]
        if not shown:
            break
        others = len(group) - _MAX_ALIKE
        is_counted = others > 0 and len(shown) == _MAX_ALIKE
        told += [*shown[:-1], f"{shown[-1]} (and {others:,} more like these)"] if is_counted else shown
        num_told += len(group) if is_counted else len(shown)
    return told, num_told
