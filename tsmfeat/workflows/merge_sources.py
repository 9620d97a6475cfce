"""What is merged: the store files that some paths stand for, by spec, and what each spec's file will be called."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tsmfeat.errors import ConfigurationError, InputError, SpecMismatchError, StoreError
from tsmfeat.store import schema
from tsmfeat.store.folders import DamagedFile, expand_paths, files_in, is_packed_output, output_files
from tsmfeat.store.validation import FileIndex, read_index
from tsmfeat.values.features import FeatureSpec, require_same_spec

_SHARD = re.compile(rf"{schema.PART_PREFIX}(?:shard-)?(\d{{1,7}})-of-(\d{{1,7}})-.*", re.ASCII)
_MAX_LISTED = 20


@dataclass(frozen=True, eq=False)
class SpecFiles:
    """The store files of one spec.

    Parameters
    ----------
    indexes
        Their checked indexes; an earlier file wins over a later one.
    names
        What they are called without suffix: a packed file's name, or that of the folder its parts lie in.
    """

    indexes: tuple[FileIndex, ...]
    names: frozenset[str]

    @property
    def spec(self) -> FeatureSpec:
        """Identity of the features."""
        return self.indexes[0].spec


def find_store_files(stores: Sequence[str | Path]) -> list[Path]:
    """Return the store files that some paths stand for: each once, in lexicographic order of their names.

    Parameters
    ----------
    stores
        Store files; outputs of a stopped extraction (``X.h5`` stands for the parts in ``X.parts`` too); folders of
        parts or of store files, and folders of such folders.

    Raises
    ------
    StoreError
        A path is missing, or a folder without store files.
    """
    return expand_paths([file for store in stores for file in _files_of(Path(store))])


def folders_of(stores: Iterable[str | Path]) -> list[Path]:
    """Return the folders that are searched for store files: those given, and those in them."""
    given = [Path(store) for store in stores]
    return [folder for path in given if path.is_dir() for folder in (path, *_folders_in(path))]


def _files_of(path: Path) -> list[Path]:
    if path.is_dir():
        found = [file for folder in folders_of([path]) for file in files_in(folder)]
    else:
        found = output_files(path)
    return found or expand_paths(path)


def _folders_in(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    except OSError as error:
        raise StoreError(f"{folder}: cannot be listed ({error.strerror})", "check its permissions") from error


def read_indexes(files: Iterable[Path]) -> tuple[list[FileIndex], list[DamagedFile]]:
    """Read the index of every file; those that cannot be read are listed."""
    indexes, unreadable = [], []
    for file in files:
        try:
            indexes.append(read_index(file))
        except StoreError as error:
            unreadable.append(DamagedFile(file, error.message))
    return indexes, unreadable


def require_readable(unreadable: Sequence[DamagedFile]) -> None:
    """Refuse to merge without files that cannot be read: which videos they hold, nobody can tell.

    Raises
    ------
    StoreError
        Names them.
    """
    if unreadable:
        raise refusal(
            [file.reason for file in unreadable],
            "run the `tsmfeat extract` of that shard again, which sets it aside and makes its videos anew; or move it "
            "away and merge without",
        )


def refusal(problems: Sequence[str], hint: str) -> InputError:
    """Return the error about damaged input, the first of many problems named in its message."""
    more = f"; and {len(problems) - _MAX_LISTED:,} more" if len(problems) > _MAX_LISTED else ""
    return StoreError("; ".join(problems[:_MAX_LISTED]) + f"{more}; nothing was written", hint, problems)


def group_by_spec(indexes: Iterable[FileIndex]) -> list[SpecFiles]:
    """Sort files by their specs, in the order of the first file of each."""
    grouped: dict[FeatureSpec, list[FileIndex]] = {}
    for index in indexes:
        grouped.setdefault(index.spec, []).append(index)
    return [SpecFiles(tuple(files), frozenset(_name_of(index.path) for index in files)) for files in grouped.values()]


def _name_of(file: Path) -> str:
    if not file.name.startswith(schema.PART_PREFIX):
        return file.stem
    folder = file.absolute().parent
    return folder.stem if folder.suffix == schema.PARTS_SUFFIX else folder.name


def name_merged(groups: Sequence[SpecFiles], out: Path) -> list[Path]:
    """Return the file each spec is merged into: ``out`` itself, or one named after its files in the folder ``out``.

    Raises
    ------
    SpecMismatchError
        Several specs for one file: each differing field is named, and where it was found.
    ConfigurationError
        The files of a spec have several names, or two specs have the same.
    """
    if is_packed_output(out):
        for group in groups[1:]:
            _refuse_two_specs(groups[0], group, "merge them into a folder: -o FOLDER writes one file a spec")
        return [out]
    outputs: dict[str, SpecFiles] = {}
    for group in groups:
        if len(group.names) > 1:
            raise ConfigurationError(
                f"the stores {', '.join(sorted(group.names))} hold the same features: in {out} they become one file, "
                "which has one name",
                f"name it: -o {out / 'features.h5'}, with only these stores",
            )
        (name,) = group.names
        if name in outputs:
            _refuse_two_specs(outputs[name], group, "merge each alone: -o FILE.h5")
        outputs[name] = group
    return [out / f"{name}{schema.SUFFIX}" for name in outputs]


def _refuse_two_specs(one: SpecFiles, other: SpecFiles, hint: str) -> None:
    places = (str(one.indexes[0].path), str(other.indexes[0].path))
    try:
        require_same_spec(one.spec, other.spec, *places)
    except SpecMismatchError as error:
        raise SpecMismatchError(error.message, hint) from error


def missing_shards(files: Iterable[Path]) -> list[str]:
    """List the shards of which no part is there, where parts are named after shards.

    Of several divisions (another number of shards, after a stopped run) the one that lacks fewest counts.

    Examples
    --------
    >>> missing_shards([Path("part-0-of-3-00.h5"), Path("part-2-of-3-00.h5"), Path("part-node7-00.h5")])
    ['1/3']
    """
    present: dict[int, set[int]] = {}
    for file in files:
        if match := _SHARD.fullmatch(file.name):
            present.setdefault(int(match[2]), set()).add(int(match[1]))
    missing = [[f"{index}/{count}" for index in range(count) if index not in had] for count, had in present.items()]
    return min(missing, key=len, default=[])
