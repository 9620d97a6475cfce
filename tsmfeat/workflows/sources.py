"""Which videos to read, and what each is called."""

import codecs
import glob
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.values.features import require_valid_video_id
from tsmfeat.video.options import VIDEO_SUFFIXES

LIST_SUFFIXES = (".txt", ".lst")
# A file, and the folder that its id is relative to under `--id path`.
_Found = tuple[Path, Path | None]


@dataclass(frozen=True)
class VideoSource:
    """One video to extract: its id, its file, and which view of it that is (empty where there is one)."""

    video_id: str
    path: Path
    view: str = ""

    @property
    def key(self) -> str:
        """What is unique among a run's videos: the id, with the view where there is one."""
        return video_key(self.video_id, self.view)


def file_bytes(path: Path) -> int:
    """Return the size of a file; 0 where it cannot be looked at, which is for its reader to say."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def video_key(video_id: str, view: str = "") -> str:
    r"""Return one text for an id and a view; ids hold no line break, so that no two have the same.

    Examples
    --------
    >>> video_key("walk"), video_key("walk", "front_view")
    ('walk', 'walk\nfront_view')
    """
    return f"{video_id}\n{view}" if view else video_id


def find_videos(inputs: Sequence[str], id_rule: str = "stem") -> list[VideoSource]:
    """Return the videos named by files, folders, glob patterns, list files and ``-`` (a list on stdin).

    A file named as such is taken whatever its suffix. A folder gives its files with video suffixes, those of its
    subfolders too, in sorted order; hidden files and folders, links to folders and all other files are passed over.
    A pattern gives the files with video suffixes that it matches, and the folders. A ``.txt`` file lists one path a
    line, relative to itself (on stdin: to the working folder); ``#`` starts a comment. A listed file that does not
    exist is a video that fails, not an error.

    Parameters
    ----------
    inputs
        What stood on the command line.
    id_rule
        ``"stem"``: the file name without its last suffix. ``"path"``: the POSIX path relative to the folder argument,
        or to the folder of the list, without the last suffix.

    Returns
    -------
    list of VideoSource
        In the order of the inputs; a file named twice counts once.

    Raises
    ------
    ConfigurationError
        No video is found, or two files would have one id.
    InputError
        A named file, pattern or list does not exist, a folder cannot be read, or an id cannot be stored.
    """
    found: dict[str, VideoSource] = {}
    for path, root in (pair for text in inputs for pair in _expand(text)):
        video_id = _name_video(path, root if id_rule == "path" else None)
        known = found.setdefault(video_id, VideoSource(video_id, path))
        if known.path != path and known.path.resolve() != path.resolve():
            rename = (
                "rename one of them" if id_rule == "path" else "give their common folder with --id path, or rename one"
            )
            raise ConfigurationError(
                f"{known.path} and {path} would both be video {video_id!r}; ids are unique", rename
            )
    if not found:
        raise ConfigurationError(
            f"no video in {', '.join(inputs) or 'nothing'}; a folder or pattern counts files ending in "
            + " ".join(VIDEO_SUFFIXES),
            "name video files, a folder of them, or a .txt list",
        )
    return list(found.values())


def _name_video(path: Path, root: Path | None) -> str:
    below = root is not None and path.is_relative_to(root)
    name = path.relative_to(root).as_posix() if root is not None and below else path.name
    video_id = name[: -len(path.suffix)] if path.suffix else name
    try:
        require_valid_video_id(video_id)
    except InputError as error:
        # The path as Python writes it: it may hold bytes that no terminal can show.
        raise InputError(f"{str(path)!r}: {error.message}", "rename the file") from error
    return video_id


def _expand(text: str) -> Iterator[_Found]:
    """Yield (file, folder its id may be relative to) for one argument."""
    path = Path(text)
    if text == "-":
        yield from _listed(_read_stdin(), Path())
    elif path.is_file() and path.suffix.lower() in LIST_SUFFIXES:
        yield from _listed(path.read_bytes(), path.parent)
    elif path.exists():
        yield from _files_at(path, None)
    elif glob.has_magic(text):
        yield from _matched(text)
    else:
        raise InputError(f"{text}: no such file or folder", "check the path")


def _read_stdin() -> bytes:
    if sys.stdin is None:
        raise InputError("standard input is closed; - reads a list of videos from it", "name files, or a .txt list")
    return sys.stdin.buffer.read()


def _files_at(path: Path, root: Path | None) -> Iterator[_Found]:
    if path.is_dir():
        yield from ((entry, path) for entry in sorted(_videos_below(path)))
    else:
        yield path, root


def _videos_below(top: Path) -> Iterator[Path]:
    for folder, subfolders, names in os.walk(top, onerror=_refuse_folder):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        yield from (
            Path(folder, name)
            for name in names
            if not name.startswith(".") and Path(name).suffix.lower() in VIDEO_SUFFIXES
        )


def _refuse_folder(error: OSError) -> NoReturn:
    # What cannot be listed would otherwise be passed over without a word.
    raise InputError(f"{error.filename}: cannot be listed ({error.strerror})", "check its permissions") from error


def _matched(pattern: str) -> Iterator[_Found]:
    paths = [Path(entry) for entry in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 - a whole pattern
    if not paths:
        raise InputError(f"{pattern}: no file or folder matches", "check the pattern, and quote it for the shell")
    for path in paths:
        if path.is_dir() or path.suffix.lower() in VIDEO_SUFFIXES:
            yield from _files_at(path, None)


def _listed(content: bytes, folder: Path) -> Iterator[_Found]:
    for line in content.removeprefix(codecs.BOM_UTF8).splitlines():
        # File names are bytes: those that are no UTF-8 must come through too.
        text = os.fsdecode(line).strip()
        if text and not text.startswith("#"):
            yield from _files_at(folder / text, folder)
