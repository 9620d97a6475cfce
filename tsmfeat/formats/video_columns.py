"""A column of facts about videos that annotations have no place for: who was filmed, where, in which take."""

import csv
import io
from pathlib import Path
from typing import Any

from tsmfeat.errors import InputError, did_you_mean
from tsmfeat.formats.content import read_text
from tsmfeat.formats.json_files import parse_json


def read_video_column(path: Path | str, column: str) -> dict[str, str]:
    r"""Read what a column says of each video.

    Parameters
    ----------
    path
        CSV with the columns ``video_id`` and `column` (in any row of a video; empty cells say nothing), or ActivityNet
        JSON whose ``database`` entries have a key of that name.
    column
        Its name.

    Returns
    -------
    dict
        The value, as text, of each video that has one.

    Raises
    ------
    InputError
        Unreadable, another kind of file, no such column, or two values of one video.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "takes.csv")
    ...     _ = path.write_text("video_id,take\na,7\nb,7\nc,\n")
    ...     read_video_column(path, "take")
    {'a': '7', 'b': '7'}
    """
    source = Path(path)
    if source.is_dir():
        raise InputError(
            f"{source}: a folder; columns of videos are read from CSV and ActivityNet JSON",
            f"name a file: --group {column}@videos.csv",
        )
    text = read_text(source, "a table of videos")
    if text.lstrip()[:1] == "{":
        return _read_database(source, parse_json(source, text.encode())[0], column)
    return _read_table(source, text, column)


def _read_database(source: Path, content: Any, column: str) -> dict[str, str]:  # noqa: ANN401 - whatever JSON can hold
    videos = content.get("database") if isinstance(content, dict) else None
    if not isinstance(videos, dict) or not all(isinstance(entry, dict) for entry in videos.values()):
        raise InputError(
            f"{source}: JSON without a database of videos, such as ActivityNet's",
            f"name a CSV file: --group {column}@videos.csv",
        )
    found = {name: str(entry[column]) for name, entry in videos.items() if entry.get(column) not in (None, "")}
    if not found:
        keys = list(dict.fromkeys(key for entry in videos.values() for key in entry))
        raise _no_column(source, column, keys)
    return found


def _read_table(source: Path, text: str, column: str) -> dict[str, str]:
    table = csv.DictReader(io.StringIO(text))
    names = list(table.fieldnames or [])
    if "video_id" not in names or column not in names:
        raise _no_column(source, column if "video_id" in names else "video_id", names)
    found: dict[str, str] = {}
    for row in table:
        video_id, value = row["video_id"] or "", row[column] or ""
        if value and found.setdefault(video_id, value) != value:
            raise InputError(
                f"{source} line {table.line_num}: {column} {value!r} of video {video_id!r}, which has "
                f"{found[video_id]!r} already; a video has one",
                "correct one of the rows",
            )
    return found


def _no_column(source: Path, column: str, names: list[str]) -> InputError:
    hint = did_you_mean(column, names) or f"columns are {', '.join(names) or 'none'}"
    return InputError(f"{source}: no column {column!r} that says anything of a video", hint)
