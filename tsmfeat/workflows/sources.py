"""Which videos to read, and what each is called."""

import glob
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.values.features import require_valid_video_id
from tsmfeat.video.options import VIDEO_SUFFIXES

LIST_SUFFIXES = (".txt", ".lst")


@dataclass(frozen=True)
class VideoSource:
    """One video to extract: its id and its file."""

    video_id: str
    path: Path


def find_videos(inputs: Sequence[str], id_rule: str = "stem") -> list[VideoSource]:
    """Return the videos named by files, folders, glob patterns, list files and ``-`` (a list on stdin).

    A folder gives its files with video suffixes, those of its subfolders too, in sorted order; hidden files and all
    other files are passed over. A ``.txt`` file lists one path a line, relative to itself; ``#`` starts a comment.

    Parameters
    ----------
    inputs
        What stood on the command line.
    id_rule
        ``"stem"``: the file name without its last suffix. ``"path"``: the POSIX path relative to the folder argument,
        without the last suffix.

    Raises
    ------
    ConfigurationError
        Nothing matches, or two files would have one id.
    InputError
        A named file or list does not exist, or an id cannot be stored.
    """
    found: dict[str, VideoSource] = {}
    for path, root in (pair for text in inputs for pair in _expand(text)):
        relative = path.relative_to(root).as_posix() if id_rule == "path" and root else path.name
        video_id = relative[: -len(path.suffix)] if path.suffix else relative
        require_valid_video_id(video_id)
        known = found.setdefault(video_id, VideoSource(video_id, path))
        if known.path != path:
            raise ConfigurationError(
                f"{known.path} and {path} would both be video {video_id!r}; ids are unique",
                "give their common folder with --id path, or rename one of them",
            )
    if not found:
        raise ConfigurationError(
            f"no video in {', '.join(inputs) or 'nothing'}; a folder counts files ending in {' '.join(VIDEO_SUFFIXES)}",
            "name video files, a folder of them, or a .txt list",
        )
    return list(found.values())


def _expand(text: str) -> Iterator[tuple[Path, Path | None]]:
    """Yield (file, the folder argument it came from)."""
    path = Path(text)
    if text == "-":
        yield from ((entry, None) for entry in _listed(sys.stdin, Path()))
    elif path.is_dir():
        yield from ((entry, path) for entry in sorted(_videos_below(path)))
    elif path.suffix.lower() in LIST_SUFFIXES and path.is_file():
        with path.open(encoding="utf-8-sig") as lines:
            yield from ((entry, None) for entry in _listed(lines, path.parent))
    elif not path.exists() and glob.has_magic(text):
        yield from ((Path(entry), None) for entry in sorted(glob.glob(text, recursive=True)))  # noqa: PTH207 - a whole pattern
    elif path.exists():
        yield path, None
    else:
        raise InputError(f"{text}: no such file or folder", "check the path")


def _videos_below(folder: Path) -> Iterator[Path]:
    for entry in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in entry.relative_to(folder).parts)
        if entry.suffix.lower() in VIDEO_SUFFIXES and not hidden and not entry.is_dir():
            yield entry


def _listed(lines: Iterable[str], folder: Path) -> Iterator[Path]:
    for line in lines:
        text = line.strip()
        if text and not text.startswith("#"):
            yield folder / text
