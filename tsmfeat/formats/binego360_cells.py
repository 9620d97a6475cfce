"""Cells of BinEgo-360 tables: Python's text of a list of ``[class_id, start, end]``, and a score in submissions."""

import ast
import json
import re
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import msgspec

# Python's own parser takes 9 s and 3 GB for a cell of 16 MB; JSON takes a second.
LITERAL_LIMIT_CHARACTERS = 1_000_000
_FANCY_NUMBER = re.compile(r"_|0[xob]", re.IGNORECASE)
_FIELDS = ("class id", "start", "end", "score")

Numbers = tuple[float, ...]
_Id = Annotated[int, msgspec.Meta(ge=0, lt=10**9)]
_ROWS: Any = list[tuple[_Id, float, float]]
_SCORED_ROWS: Any = list[tuple[_Id, float, float, float]]


def parse_cell(cell: str, *, scored: bool, place: str, problems: list[str]) -> list[Numbers]:
    """Return a cell's rows: class id, start, end and, where `scored`, score.

    Read as JSON, and as Python where it is no JSON and at most a million characters long.

    Parameters
    ----------
    cell
        The text.
    scored
        Whether each row holds a score.
    place
        Where the cell stands.
    problems
        A line is added for the cell, or for each of its rows, that breaks a rule.

    Examples
    --------
    >>> parse_cell("[[3, 0.5, 2]]", scored=False, place=":2", problems=[])
    [(3, 0.5, 2.0)]
    >>> parse_cell("[(3, 0.5, 2, 0.25)]", scored=True, place=":2", problems=[])
    [(3, 0.5, 2.0, 0.25)]
    """
    try:
        decoded: list[Numbers] = msgspec.json.decode(cell, type=_SCORED_ROWS if scored else _ROWS)
        return decoded
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass  # numpy's ids, a bare NaN, Python's tuples or a true problem: the careful way tells
    try:
        rows = _parse_any(cell)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        problems.append(f"{place}: the cell is no list of lists ({_reason(error)}); it reads {_shape(scored)}")
        return []
    if not isinstance(rows, list | tuple):
        found = f"the number {_show(rows)}, as in tables of scenes" if isinstance(rows, int) else type(rows).__name__
        problems.append(f"{place}: the cell holds {found}; it reads {_shape(scored)}")
        return []
    checked = (_check_row(row, scored, f"{place}: entry {index}", problems) for index, row in enumerate(rows))
    return [row for row in checked if row is not None]


def format_cell(rows: Iterable[Sequence[float]]) -> str:
    """Return rows as the text of a list of lists.

    Examples
    --------
    >>> format_cell([(3, 0.5, 10)])
    '[[3, 0.5, 10]]'
    """
    return str([list(row) for row in rows])


def _parse_any(cell: str) -> Any:  # noqa: ANN401 - whatever a literal can be
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        if len(cell) > LITERAL_LIMIT_CHARACTERS:
            raise
    if match := _FANCY_NUMBER.search(cell):
        raise ValueError(f"{match[0]!r}; a number has plain digits")
    return ast.literal_eval(cell)


def _check_row(row: Any, scored: bool, place: str, problems: list[str]) -> Numbers | None:  # noqa: ANN401
    count = 4 if scored else 3
    if not isinstance(row, list | tuple) or len(row) != count:
        found = f"{len(row)} values" if isinstance(row, list | tuple) else type(row).__name__
        problems.append(f"{place} holds {found}; it reads {_shape(scored)[1:-1]}")
        return None
    for name, value in zip(_FIELDS, row, strict=False):
        if isinstance(value, bool) or not isinstance(value, int | float):
            problems.append(f"{place}: {name} is {_show(value)}; a number is expected")
            return None
    return _as_floats(row, place, problems)


def _as_floats(row: Sequence[float], place: str, problems: list[str]) -> Numbers | None:
    class_id = row[0]
    if not 0 <= class_id < 1e9 or class_id != int(class_id):
        problems.append(f"{place}: class id {_show(class_id)}; an id is a whole number")
        return None
    try:
        return (int(class_id), *(float(value) for value in row[1:]))
    except OverflowError:
        problems.append(f"{place}: a number out of range; times are seconds")
        return None


def _shape(scored: bool) -> str:
    return "[[class_id, start, end, score], ...]" if scored else "[[class_id, start, end], ...]"


def _reason(error: Exception) -> str:
    return type(error).__name__ if isinstance(error, MemoryError | RecursionError) else str(error).splitlines()[0][:80]


def _show(value: object) -> str:
    return "an integer out of range" if isinstance(value, int) and abs(value) >= 10**9 else str(value)[:40]
