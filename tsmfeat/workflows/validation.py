"""Every check a reader can make, on files of any kind; all problems are listed at once."""

import re
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tsmfeat.errors import ConfigurationError, InputError, TsmfeatError
from tsmfeat.formats.classes import as_class_list
from tsmfeat.formats.interval_scores import read_interval_scores
from tsmfeat.formats.reading import read_annotations, read_predictions
from tsmfeat.heads.checkpoint import load_heads
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.workflows.comparison import Reference, compare, open_reference
from tsmfeat.workflows.failures import load_failures
from tsmfeat.workflows.kinds import recognize
from tsmfeat.workflows.options import ValidateOptions
from tsmfeat.workflows.sources import find_videos
from tsmfeat.workflows.store_checks import check_store
from tsmfeat.workflows.video_checks import check_frames, check_packets

_SILENCE = Silence()
# A damaged file can have as many problems as rows: so many are listed, the others counted.
MAX_LISTED = 1000
UNKNOWN = "unknown"
# Kinds whose reader makes every check there is.
_READERS: dict[str, Callable[[Path], object]] = {
    "heads": load_heads,
    "interval-scores": read_interval_scores,
    "failures": load_failures,
    "video": check_packets,
}


@dataclass(frozen=True)
class CheckedFile:
    """What was found in one file or folder.

    Parameters
    ----------
    path
        As it was given; a folder of videos is listed by its files.
    kind
        A key of `tsmfeat.workflows.kinds.KIND_NAMES`, or ``"unknown"``.
    problems
        In words, each with its place and the rule it breaks; the first thousand.
    num_problems
        How many there are.
    """

    path: str
    kind: str
    problems: tuple[str, ...]
    num_problems: int


@dataclass(frozen=True)
class ValidateReport:
    """What `validate` found.

    Parameters
    ----------
    files
        In the order they were given.
    options
        As resolved.
    seconds
        Wall time.
    """

    files: tuple[CheckedFile, ...]
    options: ValidateOptions
    seconds: float

    @property
    def num_problems(self) -> int:
        """Problems of all files."""
        return sum(file.num_problems for file in self.files)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``tsmfeat validate --json``."""
        return {
            "files": [
                {
                    "path": file.path,
                    "kind": file.kind,
                    "problems": list(file.problems),
                    "num_problems": file.num_problems,
                }
                for file in self.files
            ],
            "num_files": len(self.files),
            "num_problems": self.num_problems,
            "deep": self.options.deep,
            "against": self.options.against,
            "seconds": self.seconds,
        }


def validate(
    paths: str | Path | Sequence[str | Path], options: ValidateOptions | None = None, progress: Progress = _SILENCE
) -> ValidateReport:
    """Check files of any kind; what is wrong with them is listed, never raised.

    Parameters
    ----------
    paths
        Stores, checkpoints, annotations, predictions, lists of failures, videos, and folders of videos.
    options
        `ValidateOptions`; its defaults where None.
    progress
        Told of every file.

    Returns
    -------
    ValidateReport

    Raises
    ------
    ConfigurationError
        No path, or a reference that nothing can be compared with.
    InputError
        The reference itself, or the file of classes, cannot be read.
    """
    began = time.monotonic()
    options = options or ValidateOptions()
    named = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    if not named:
        raise ConfigurationError("no file to check", "name files or folders")
    # Classes that cannot be read are no problem of the files.
    as_class_list(options.classes or None)
    with ExitStack() as stack:
        reference = open_reference(options.against, stack) if options.against else None
        files = [file for path in named for file in _expand(path)]
        progress.begin("validate", len(files), "files")
        frames = _check_all_frames(files, options, progress)
        checked = [_check(file, frames.get(file.path), reference, options, progress) for file in files]
        progress.end()
    return ValidateReport(tuple(checked), options, time.monotonic() - began)


class _Named(NamedTuple):
    """A file to check, what it is, and what keeps it from being known."""

    path: Path
    kind: str
    problems: tuple[str, ...] = ()


def _expand(path: Path) -> list[_Named]:
    """Return what a path stands for: a folder of videos is its files."""
    try:
        kind = recognize(path)
        if kind != "videos":
            return [_Named(path, kind)]
        return [_Named(source.path, "video") for source in find_videos([str(path)], "path")]
    except TsmfeatError as error:
        return [_Named(path, UNKNOWN, problems_of(error, path))]


def _check_all_frames(files: Sequence[_Named], options: ValidateOptions, progress: Progress) -> dict[Path, list[str]]:
    videos = [file.path for file in files if file.kind == "video"]
    return check_frames(videos, options.video, progress) if options.deep and videos else {}


def _check(
    file: _Named, frames: list[str] | None, reference: Reference | None, options: ValidateOptions, progress: Progress
) -> CheckedFile:
    problems: Sequence[str] = file.problems or frames or ()
    try:
        if frames is None and file.kind != UNKNOWN:
            problems = _check_alone(file.path, file.kind, options)
        if reference is not None and not problems:
            problems = compare(file.path, file.kind, reference)
    except TsmfeatError as error:
        problems = problems_of(error, file.path)
    if frames is None:
        progress.advance(1, file.path.name)
    return CheckedFile(str(file.path), file.kind, tuple(problems[:MAX_LISTED]), len(problems))


def _check_alone(path: Path, kind: str, options: ValidateOptions) -> list[str]:
    match kind:
        case "features":
            return check_store(path, options.deep)
        case "trunk":
            # Loading torch takes seconds, and no other kind needs it.
            from tsmfeat.workflows.trunk_checks import check_trunk

            return check_trunk(path)
        case "annotations":
            read_annotations(path, "error", options.classes or None)
        case "predictions":
            read_predictions(path, "error", options.classes or None)
        case _ if kind in _READERS:
            _READERS[kind](path)
    return []


def problems_of(error: TsmfeatError, path: Path) -> tuple[str, ...]:
    """Return the problems that an error speaks of, without the path they are listed under."""
    listed = error.problems if isinstance(error, InputError) else ()
    return tuple(_without_path(problem, path) for problem in listed or (error.message,))


def _without_path(message: str, path: Path) -> str:
    """Return a problem without the file's name; what stood behind it as ``:17: `` is line 17."""
    message = message.removeprefix(f"{path}: ").removeprefix(f"{path}:")
    return re.sub(r"^:?(\d+): ", r"line \1: ", message)
