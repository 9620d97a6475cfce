"""What lies where an extraction writes: may it be used, what does it hold, packing it."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tsmfeat.errors import ConfigurationError, OutputError, StoreError
from tsmfeat.files import make_folder, remove_file
from tsmfeat.store import schema
from tsmfeat.store.folders import finished_videos, is_packed_output, output_files, parts_folder, remove_parts, set_aside
from tsmfeat.store.packing import find_damaged, find_differing_copies, pack
from tsmfeat.store.reader import open_features
from tsmfeat.store.temporaries import remove_stale_temporaries
from tsmfeat.values.features import FeatureSpec
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.sources import VideoSource

# Names that users mean as a file, but that would become folders.
_OTHER_SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5", ".h5py")
# HDF5 lays the root's attributes into the first kilobyte of every file of ours.
_HEAD_BYTES = 4096
# About a minute's reading.
_MOST_VERIFIED_BYTES = 64 << 30


def require_usable_output(out: Path) -> None:
    """Refuse an output that is something else already, or that cannot be written.

    Nobody's file is ever taken for a damaged store: only what names our format, or is called like one of our parts,
    is touched at all.

    Raises
    ------
    ConfigurationError
        A file where a folder is meant, a folder where a file is meant, or a file that is no feature store.
    OutputError
        The folder cannot be written.
    """
    if out.suffix != schema.SUFFIX and out.suffix.lower() in _OTHER_SUFFIXES:
        raise ConfigurationError(
            f"{out}: an output file ends in {schema.SUFFIX}; any other name is a folder",
            f"use {out.with_suffix('.h5')}",
        )
    packed = is_packed_output(out)
    if out.exists() and out.is_dir() == packed:
        found, wanted = ("a folder", "a file, since it ends in .h5") if packed else ("a file", "a folder")
        raise ConfigurationError(f"{out}: is {found}, but an output of this name is {wanted}", "choose another -o")
    for path in output_files(out):
        if not _is_ours(path, out):
            raise ConfigurationError(
                f"{path}: exists and is no feature store; it is left as it is", "choose another -o, or move it away"
            )
    for folder in {nearest_folder(parts_folder(out)), nearest_folder(out.parent)}:
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"{folder}: cannot be written to", "choose another folder with -o")


def clear_outputs(outs: Sequence[Path], failures_file: Path, worker: str = "") -> None:
    """Remove what an extraction left at its outputs, so that it starts anew.

    Parameters
    ----------
    outs
        Files or folders.
    failures_file
        The list of their failed videos.
    worker
        Name in the parts of one share of the videos: those of others stay. Empty: all parts go.

    Raises
    ------
    ConfigurationError
        A folder holds store files that are no parts of an extraction: they may be anybody's. Nothing is removed.
    """
    paths = [path for out in outs for path in output_files(out)]
    for path in paths:
        if path not in outs and not path.name.startswith(schema.PART_PREFIX):
            raise ConfigurationError(
                f"{path}: not a part of an extraction, so --overwrite does not remove it", "move it away, or remove it"
            )
    beginning = f"{schema.PART_PREFIX}{worker}-" if worker else ""
    try:
        for path in [*(path for path in paths if path.name.startswith(beginning)), failures_file]:
            remove_file(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be removed ({error.strerror})", "choose another -o") from error


def remove_left_overs(out: Path, failures_file: Path) -> None:
    """Remove what killed runs of this machine left under temporary names beside an output and in its parts' folder."""
    own = {out.name, failures_file.name}
    for folder in {out.parent, parts_folder(out), failures_file.parent}:
        if folder.is_dir():
            remove_stale_temporaries(folder, lambda name: name in own or name.startswith(schema.PART_PREFIX))


@contextmanager
def hold_output(out: Path, progress: Progress) -> Iterator[None]:
    """Keep other extractions from packing into a folder meanwhile, where its file system has locks.

    Packing replaces a file: two at once could each leave out what the other has just put in. Parts need no lock, nor
    do folders of parts. A killed process holds nothing.
    """
    if not is_packed_output(out):
        yield
        return
    make_folder(out.parent)
    descriptor = os.open(out.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.note(f"another extraction is packing in {out.parent}: waiting for it")
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:
            # No locks here: one extraction at a time is then the user's part.
            pass
        yield
    finally:
        os.close(descriptor)


def stored_precision(out: Path) -> str | None:
    """Return the precision of what an output already holds, if anything there can be read."""
    for path in output_files(out):
        with suppress(StoreError), open_features(path) as store:
            return store.spec.precision
    return None


def stored_videos(out: Path, spec: FeatureSpec, sources: list[VideoSource], progress: Progress) -> set[str]:
    """Return the ids of the videos that an output holds intact; damaged files are set aside.

    A video counts as finished only if its checksum holds now, so each run reads what it is going to skip, at 1 to 2 GB
    a second; an output so large that this would take more than a minute is taken as it is, which is said. Where parts
    are about to be packed, those of all other videos are verified too: a damaged one would stop the packing at the end.

    Raises
    ------
    SpecMismatchError
        The output holds features of another spec; each differing field is named.
    StoreError
        A damaged video that is about to be packed is not among the sources.
    """
    finished = finished_videos(out, spec, skip_damaged=True)
    for damaged in finished.damaged:
        aside = set_aside(damaged.path)
        progress.warn(f"{damaged.reason}; set aside as {aside.name}, its videos are extracted again")
    stored = set(finished.num_intervals)
    named = {source.video_id for source in sources}
    missing = bool(named - stored)
    packing = is_packed_output(out) and (missing or output_files(out) != [out])
    if packing or not _too_much_to_verify(out, progress):
        stored -= _damaged_videos(out, stored if packing else stored & named, named, progress)
    return stored


def _too_much_to_verify(out: Path, progress: Progress) -> bool:
    size = sum(path.stat().st_size for path in output_files(out))
    if size <= _MOST_VERIFIED_BYTES:
        return False
    progress.note(
        f"{out}: {size / 1e9:,.0f} GB of finished videos are taken as they are; their checksums are verified when they "
        "are read, and by tsmfeat validate --deep"
    )
    return True


def tell_packing(outs: Sequence[Path], progress: Progress) -> None:
    """Say how much room it takes to pack anew what some outputs hold already."""
    packed = [out for out in outs if is_packed_output(out) and out.exists()]
    if not packed:
        return
    size = sum(out.stat().st_size for out in packed) / 1e6
    which = f"{packed[0]} is" if len(packed) == 1 else f"{len(packed)} outputs are"
    progress.note(f"{which} packed anew at the end: that takes {size:,.1f} MB of free space and the new videos'")


def _damaged_videos(out: Path, wanted: set[str], named: set[str], progress: Progress) -> set[str]:
    """Return which of some stored videos are damaged; one that the sources do not name cannot be made again."""
    if not wanted:
        return set()
    with open_features(output_files(out)) as store:
        damaged = find_damaged(store, sorted(wanted))
    for video in damaged:
        if video.video_id not in named:
            raise StoreError(video.reason, f"name the file of video {video.video_id!r} too, so that it is made again")
        progress.warn(f"{video.reason}; it is extracted again")
    return {video.video_id for video in damaged}


def pack_output(out: Path, progress: Progress) -> None:
    """Join parts, and what was packed before, into the output file; a folder stays a folder of parts.

    Raises
    ------
    OutputError
        No room, or the folder cannot be written; the parts stay.
    """
    if not is_packed_output(out):
        return
    with hold_output(out, progress):
        files = output_files(out)
        if files in ([], [out]):
            remove_parts([], out)
            return
        progress.note(f"packing {len(files)} files into {out}")
        with open_features(files) as store:
            if differing := find_differing_copies(store):
                progress.warn(
                    f"{len(differing)} videos are stored twice with embeddings that differ by more than rounding, such "
                    f"as {differing[0]!r}: the first by file name counts"
                )
            pack(store, out)
            remove_parts(store.files, out)


def _is_ours(path: Path, out: Path) -> bool:
    if path != out and path.name.startswith(schema.PART_PREFIX):
        return True
    if not path.is_file():
        return False
    try:
        with path.open("rb") as stream:
            return schema.FORMAT.encode() in stream.read(_HEAD_BYTES)
    except OSError as error:
        raise StoreError(f"{path}: cannot be opened ({error.strerror})", "check its permissions") from error


def nearest_folder(path: Path) -> Path:
    """Return the first of a path and its parents that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
