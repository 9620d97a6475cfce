"""Manifests: a CSV file that says which file is which view of which video."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.values.features import require_valid_video_id
from tsmfeat.workflows.sources import VideoSource

_REQUIRED = ("video_id", "path")
_VIEW_PATTERN = "letters, digits, '.', '_' and '-'"
_MAX_PROBLEMS = 20


def read_manifest(path: Path) -> list[VideoSource]:
    """Return the videos of a manifest, in its order.

    Parameters
    ----------
    path
        CSV with a header: ``video_id``, ``path`` and, where there are views, ``view``. Paths are relative to the
        manifest. A listed file that does not exist is a video that fails, not an error.

    Returns
    -------
    list of VideoSource

    Raises
    ------
    InputError
        It cannot be read, a column is missing, or rows are not usable: all are named, with their lines.
    """
    rows = _read_rows(path)
    problems: list[str] = []
    sources: dict[tuple[str, str], VideoSource] = {}
    for line, row in rows:
        try:
            source = _source(row, path.parent)
        except InputError as error:
            problems.append(f"line {line}: {error.message}")
            continue
        if (source.video_id, source.view) in sources:
            view = f" view {source.view!r}" if source.view else ""
            problems.append(f"line {line}: video {source.video_id!r}{view} is listed twice")
        sources[source.video_id, source.view] = source
    if problems:
        more = f"; and {len(problems) - _MAX_PROBLEMS} more" if len(problems) > _MAX_PROBLEMS else ""
        raise InputError(f"{path}: {'; '.join(problems[:_MAX_PROBLEMS])}{more}", "mend these rows of the manifest")
    if not sources:
        raise InputError(f"{path}: no videos; a manifest lists one a row", "add rows: video_id,view,path")
    return list(sources.values())


def select_view(sources: list[VideoSource], view: str) -> list[VideoSource]:
    """Return the videos of one view, or all where none is named; files without a view take the name.

    Raises
    ------
    ConfigurationError
        The manifest knows other views only.
    """
    if not any(source.view for source in sources):
        return [VideoSource(source.video_id, source.path, view) for source in sources]
    chosen = [source for source in sources if view in ("", source.view)]
    if not chosen:
        views = sorted({source.view for source in sources})
        raise ConfigurationError(f"view {view!r} is not in the manifest", f"its views are {', '.join(views)}")
    return chosen


def _read_rows(path: Path) -> list[tuple[int, dict[str, str | None]]]:
    try:
        # File names that are no UTF-8 lie in it as the bytes they are.
        text = path.read_bytes().decode("utf-8-sig", "surrogateescape")
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        found = reader.fieldnames or ()
        missing = [column for column in _REQUIRED if column not in found]
        rows = [(reader.line_num, row) for row in reader]
    except (OSError, csv.Error) as error:
        raise InputError(f"{path}: not a readable manifest ({error})", "write a CSV: video_id,view,path") from error
    if missing:
        raise InputError(
            f"{path}: a manifest without column {', '.join(missing)}; its first line is {', '.join(found) or 'empty'}",
            "begin it with the line video_id,view,path, with commas",
        )
    return rows


def _source(row: dict[str, str | None], folder: Path) -> VideoSource:
    video_id, path, view = (row.get(column) or "" for column in ("video_id", "path", "view"))
    for problem in _problems(row, path, view):
        raise InputError(problem, "mend this row")
    require_valid_video_id(video_id)
    return VideoSource(video_id, folder / path, view)


def _problems(row: dict[str, str | None], path: str, view: str) -> Iterator[str]:
    if None in row or None in row.values():
        yield "another number of columns than the header"
    if not path or "\0" in path:
        yield "no path"
    # A view becomes part of a file's name.
    if view and not (view.isascii() and view.replace("-", "a").replace(".", "a").replace("_", "a").isalnum()):
        yield f"view {view!r}: a view has {_VIEW_PATTERN} only"
