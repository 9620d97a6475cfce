"""Numbers as text: ASCII digits alone, where Python would also read '١' and '1_000'."""

import re
import sys
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

_NUMBER = re.compile(r"[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?|inf(?:inity)?|nan)", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"\d{1,9}", re.ASCII)
_MOST_SHOWN = 40


def parse_number(text: str) -> float | None:
    """Return the number a text is, ``inf`` and ``nan`` among them, or None.

    Examples
    --------
    >>> parse_number(" 2.50"), parse_number("1_000"), parse_number("1e999")
    (2.5, None, inf)
    """
    stripped = text.strip()
    return float(stripped) if _NUMBER.fullmatch(stripped) else None


def parse_whole(text: str) -> int | None:
    """Return the whole number a text is, or None.

    Examples
    --------
    >>> parse_whole("7"), parse_whole("-7"), parse_whole("٧")
    (7, None, None)
    """
    return int(text) if _WHOLE.fullmatch(text) else None


# In place of a text that is no number: its problem refuses the file, and no other is made up of the row.
_BLANK = {"start": -sys.float_info.max, "end": sys.float_info.max}


def parse_column(
    texts: Sequence[str], name: str, place_of: Callable[[int], str], problems: list[str]
) -> npt.NDArray[np.float64]:
    """Return a column's numbers, float64; what is none adds a problem.

    Examples
    --------
    >>> found = []
    >>> parse_column(["1", "one"], "score", ":{}".format, found).tolist(), found
    ([1.0, 0.0], [":1: score 'one'; a number in plain digits is expected"])
    """
    numbers = [parse_number(text) for text in texts]
    for row, number in enumerate(numbers):
        if number is None:
            problems.append(f"{place_of(row)}: {name} {shorten(texts[row])}; a number in plain digits is expected")
    blank = _BLANK.get(name, 0.0)
    return np.array([blank if number is None else number for number in numbers], np.float64)


def shorten(text: str) -> str:
    """Return a text as Python writes it, its tail left out where it is long.

    Examples
    --------
    >>> shorten("a" * 50)
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...'"
    """
    return repr(text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + "...")
