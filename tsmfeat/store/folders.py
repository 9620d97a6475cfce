"""Where store files lie: outputs, their folders of parts, and what is finished in them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tsmfeat.errors import OutputError, StoreError
from tsmfeat.files import remove_file, rename_file
from tsmfeat.store import schema
from tsmfeat.store.validation import read_index
from tsmfeat.values.features import FeatureSpec, require_same_spec


@dataclass(frozen=True)
class DamagedFile:
    """A store file that cannot be opened, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class FinishedVideos:
    """What an output already holds.

    Parameters
    ----------
    num_intervals
        Stored intervals by video id.
    damaged
        Files that were skipped; their videos are not finished, unless another file holds them.
    """

    num_intervals: dict[str, int]
    damaged: tuple[DamagedFile, ...] = ()


def is_packed_output(out: Path) -> bool:
    """Return whether an output is one file, packed from parts, rather than a folder of parts.

    Examples
    --------
    >>> is_packed_output(Path("features.h5")), is_packed_output(Path("features"))
    (True, False)
    """
    return out.suffix == schema.SUFFIX


def parts_folder(out: Path) -> Path:
    """Return the folder where the parts of an output lie.

    Examples
    --------
    >>> parts_folder(Path("out/features.h5")).as_posix(), parts_folder(Path("out/features")).as_posix()
    ('out/features.parts', 'out/features')
    """
    return out.with_suffix(schema.PARTS_SUFFIX) if is_packed_output(out) else out


def output_files(out: Path) -> list[Path]:
    """Return the store files of an output: the packed file where there is one, then the parts by name."""
    packed = [out] if is_packed_output(out) and out.exists() else []
    return packed + files_in(parts_folder(out))


def files_in(folder: Path) -> list[Path]:
    """Return the store files in a folder by name; temporary files and what lies below are none."""
    if not folder.is_dir():
        return []
    try:
        paths = list(folder.iterdir())
    except OSError as error:
        raise StoreError(f"{folder}: cannot be listed ({error.strerror})", "check its permissions") from error
    return sorted(path for path in paths if path.suffix == schema.SUFFIX and not path.name.startswith("."))


def expand_paths(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    """Return the store files that some paths stand for: each once, in lexicographic order of their names.

    Raises
    ------
    StoreError
        A path is missing, or a folder without store files.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    files = [file for path in given for file in _expand(Path(path))]
    if not files:
        raise StoreError("no feature store was given; at least one file or folder is needed", "name one")
    unique = {file.resolve(): file for file in reversed(files)}
    return sorted(unique.values(), key=lambda file: (file.name, str(file)))


def _expand(path: Path) -> list[Path]:
    if path.is_dir():
        if files := files_in(path):
            return files
        raise StoreError(
            f"{path}: a folder without {schema.SUFFIX} files; a feature store has at least one",
            "run `tsmfeat extract` into it, or pass the folder that holds the parts",
        )
    if not path.exists():
        beside = parts_folder(path)
        hint = "check the path"
        if is_packed_output(path) and files_in(beside):
            hint = f"its extraction was stopped: run the same `tsmfeat extract` again, or read its parts in {beside}"
        raise StoreError(f"{path}: there is no such file or folder", hint)
    return [path]


def finished_videos(out: Path, spec: FeatureSpec, *, skip_damaged: bool = False) -> FinishedVideos:
    """Return which videos of an output need no extraction; only indexes are read.

    Parameters
    ----------
    out
        An output of ``extract``: a ``.h5`` file or a folder of parts. It may not exist yet.
    spec
        Identity of the features that the run is about to make.
    skip_damaged
        Whether damaged files are reported in the result (so that their videos are made again) or raised.

    Raises
    ------
    SpecMismatchError
        The output holds features of another spec; each differing field is named.
    StoreError
        A file is damaged and `skip_damaged` is false.
    """
    found: dict[str, int] = {}
    damaged: list[DamagedFile] = []
    for path in output_files(out):
        try:
            index = read_index(path)
        except StoreError as error:
            if not skip_damaged:
                raise
            damaged.append(DamagedFile(path, error.message))
            continue
        require_same_spec(index.spec, spec, str(path), "this run")
        for video_id, count in zip(index.video_ids, index.columns["num_intervals"].tolist(), strict=True):
            found.setdefault(video_id, count)
    return FinishedVideos(found, tuple(damaged))


def set_aside(path: Path) -> Path:
    """Rename a damaged store file so that no reader takes it for a part; nothing is deleted.

    Returns
    -------
    path
        Its new name, ending in ``.damaged``.
    """
    target = path.with_name(path.name + schema.DAMAGED_SUFFIX)
    try:
        rename_file(path, target)
    except FileNotFoundError:
        # Another run found it at the same time.
        return target
    except OSError as error:
        raise OutputError(f"{path}: cannot be renamed ({error.strerror})", "rename or remove it yourself") from error
    return target


def remove_parts(packed: Iterable[Path], out: Path) -> None:
    """Remove the parts that were packed into an output, and their folder once it is empty.

    A part that another process published meanwhile stays.

    Parameters
    ----------
    packed
        The files of the store that was packed (`FeatureStore.files`).
    out
        The file they were packed into; it is never removed.
    """
    folder, target = parts_folder(out).resolve(), out.resolve()
    try:
        for path in [path.resolve() for path in packed]:
            if path.parent == folder and path != target:
                remove_file(path)
        if folder != target and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    except OSError as error:
        raise OutputError(
            f"{folder}: its parts cannot be removed ({error.strerror})", "remove them yourself"
        ) from error
