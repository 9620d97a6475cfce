"""What readers of every format do with rows that break a rule, and how they say so."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError, InputError, did_you_mean
from tsmfeat.formats.options import INVALID_CHOICES, Invalid
from tsmfeat.values.segments import Segments

_MAX_LISTED = 20

PlaceOf = Callable[[int], str]
"""From a row's number to where it stands in its file."""


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
        problems += [
            f"{place_of(row)}: segment [{segments.start[row]}, {segments.end[row]}] with score {segments.score[row]}; "
            "a segment ends after its start, and its numbers are finite"
            for row in np.flatnonzero(~valid).tolist()
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


def refuse_problems(path: Path, problems: Sequence[str]) -> None:
    """Raise one error for all problems of a file, the first twenty of them in words.

    Raises
    ------
    InputError
        There is at least one.

    Examples
    --------
    >>> refuse_problems(Path("a.json"), ["results['v'][0]: no score"])
    Traceback (most recent call last):
    tsmfeat.errors.InputError: a.json: results['v'][0]: no score (hint: mend the file, or make it again)
    """
    if not problems:
        return
    listed = "; ".join(problems[:_MAX_LISTED])
    count = f"{len(problems)} problems: " if len(problems) > 1 else ""
    more = f"; and {len(problems) - _MAX_LISTED} more" if len(problems) > _MAX_LISTED else ""
    raise InputError(f"{path}: {count}{listed}{more}", "mend the file, or make it again")
