"""CSV tables with a header: every row as long as it, and every line known by its number."""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tsmfeat.errors import InputError, did_you_mean
from tsmfeat.formats.content import read_text
from tsmfeat.formats.numbers import shorten

# A cell may hold a video's whole list of segments; the csv module's own limit is 128 KB.
CELL_LIMIT_CHARACTERS = 16 << 20


@dataclass(frozen=True)
class Table:
    """The rows of a table and where each begins.

    Parameters
    ----------
    names
        The header.
    rows
        As many cells each as the header.
    lines
        The line each row begins at; the header stands on line 1.
    """

    names: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]

    def column(self, name: str) -> list[str]:
        """Return a column's cells; empty texts where the header lacks it."""
        if name not in self.names:
            return [""] * len(self.rows)
        index = self.names.index(name)
        return [row[index] for row in self.rows]

    def place_of(self, row: int) -> str:
        """Return a row's place: its line."""
        return f":{self.lines[row]}"


def read_table(path: Path, required: Sequence[str], problems: list[str]) -> Table:
    """Read a CSV file with a header, gzipped or not.

    Parameters
    ----------
    path
        The file: UTF-8, with or without a byte order mark.
    required
        Columns that must be there, in any order; others are passed over.
    problems
        A line is added for each row that is shorter or longer than the header; it is left out.

    Raises
    ------
    InputError
        Unreadable, empty, too large, an unclosed quote, a cell of more than 16 Mi characters, or a header that lacks
        a column or holds one twice.
    """
    rows, lines = [], []
    (line, header), *numbered = _numbered_rows(path)
    names = tuple(name.strip() for name in header)
    _check_header(path, line, names, required)
    for line, row in numbered:
        if len(row) != len(names):
            problems.append(f":{line}: {len(row)} cells; the header has {len(names)} columns")
        else:
            rows.append(row)
            lines.append(line)
    return Table(names, rows, lines)


def format_table(names: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    r"""Return a table as CSV in UTF-8.

    Examples
    --------
    >>> format_table(["id", "label"], [["v 1", "[[1, 0.0, 2.5]]"]])
    b'id,label\nv 1,"[[1, 0.0, 2.5]]"\n'
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)
    return text.getvalue().encode()


def _numbered_rows(path: Path) -> list[tuple[int, list[str]]]:
    """Return the line each row begins at, and its cells; blank lines are passed over."""
    text = read_text(path, "a CSV table")
    found = []
    with _cell_limit(CELL_LIMIT_CHARACTERS):
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        line = 1
        try:
            for row in reader:
                if row:
                    found.append((line, row))
                line = reader.line_num + 1
        except csv.Error as error:
            raise InputError(
                f"{path}:{line}: not CSV ({error}); a quoted cell ends with a quote, and a cell holds at most "
                f"{CELL_LIMIT_CHARACTERS:,} characters",
                "check the quotes of this row and those after it, and that the file is whole",
            ) from error
    return found


@contextmanager
def _cell_limit(characters: int) -> Iterator[None]:
    """Let the csv module take long cells meanwhile: its limit is one for the whole process."""
    before = csv.field_size_limit(characters)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _check_header(path: Path, line: int, names: tuple[str, ...], required: Sequence[str]) -> None:
    twice = next((name for name, times in Counter(names).items() if times > 1), None)
    if twice is not None:
        raise InputError(
            f"{path}:{line}: column {shorten(twice)} occurs twice in the header; names are unique", "rename one of them"
        )
    missing = [name for name in required if name not in names]
    if missing:
        raise InputError(
            f"{path}:{line}: the header {shorten(','.join(names))} lacks {', '.join(missing)}; the columns are "
            f"{', '.join(required)}, divided by commas, in any order",
            did_you_mean(missing[0], names) or "name the columns in the first line",
        )
