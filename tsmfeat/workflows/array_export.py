"""A feature store becomes a folder of arrays, one a video, and `features.json` that says the rest."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np

from tsmfeat.errors import ConfigurationError, OutputError, StoreError
from tsmfeat.files import flush_folder, make_folder, temporary_path, write_atomically
from tsmfeat.formats.row_checks import refuse_problems
from tsmfeat.store.image import rows_as_bytes
from tsmfeat.store.reader import FeatureStore, open_features
from tsmfeat.store.rows import Rows
from tsmfeat.store.streaming import VideoRecord
from tsmfeat.store.temporaries import remove_stale_temporaries
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.workflows.array_import import ArrayReport
from tsmfeat.workflows.array_index import name_files, write_array_index

_SILENCE = Silence()
_BLOCK_ROWS = 1 << 12


def export_arrays(source: Path, out: Path, dtype: str = "float16", progress: Progress = _SILENCE) -> ArrayReport:
    """Write each video of a store as a ``.npy`` file.

    Every checksum is verified on the way. The folder appears whole or not at all, and `import_arrays` makes the same
    store of it.

    Parameters
    ----------
    source
        A store file, or a folder of parts.
    out
        The folder; it may exist if it is empty.
    dtype
        ``"float16"``, as stored, or ``"float32"``.
    progress
        Told of every video.

    Raises
    ------
    ConfigurationError
        `out` is a file, or holds something.
    StoreError
        The store cannot be opened.
    InputError
        Videos whose rows are damaged; all are named.
    OutputError
        No room, or the folder cannot be written.
    """
    began = time.monotonic()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigurationError(f"{out}: exists, and is no empty folder", "choose another name, or move it away")
    with open_features(source) as store:
        names = name_files(store.video_ids)
        with _appearing(out) as folder:
            progress.begin("export", store.num_videos, "videos")
            problems: list[str] = []
            for video_id in store.video_ids:
                problems += _write_array(store, video_id, folder / names[video_id], np.dtype(dtype))
                progress.advance(1, video_id)
            progress.end()
            refuse_problems(source, problems)
            write_array_index(folder, store.spec, _records(store), names)
        num_videos, num_intervals, spec = store.num_videos, store.num_intervals, store.spec.to_dict()
    return ArrayReport(str(out), "arrays", spec, num_videos, num_intervals, 0, 0, 0, time.monotonic() - began)


@contextmanager
def _appearing(out: Path) -> Iterator[Path]:
    """Yield a folder that gets its name at the end, and is gone if there is no such end."""
    make_folder(out.parent)
    remove_stale_temporaries(out.parent, lambda name: name == out.name)
    temporary = temporary_path(out)
    make_folder(temporary)
    try:
        yield temporary
        try:
            # Replaces an empty folder, and no other.
            temporary.rename(out)
            flush_folder(out.parent)
        except OSError as error:
            raise OutputError(f"{out}: cannot be made ({error.strerror})", "choose another name") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_array(store: FeatureStore, video_id: str, path: Path, dtype: np.dtype[np.floating]) -> list[str]:
    """Write one array; return why it cannot be, as no or one problem."""
    try:
        rows = store.verified_embeddings(video_id)
    except StoreError as error:
        return [error.message]
    write_atomically(path, _chunks(rows, dtype.newbyteorder("<")))
    return []


def _chunks(rows: Rows, dtype: np.dtype[np.floating]) -> Iterator[memoryview]:
    header = BytesIO()
    description = {"descr": dtype.str, "fortran_order": False, "shape": rows.shape}
    np.lib.format.write_array_header_1_0(header, description)
    yield header.getbuffer()
    for first in range(0, len(rows), _BLOCK_ROWS):
        block = rows[first : first + _BLOCK_ROWS]
        yield rows_as_bytes(block) if dtype == np.float16 else block.astype(dtype).reshape(-1).view(np.uint8).data


def _records(store: FeatureStore) -> Iterator[VideoRecord]:
    checksums = store.column("embedding_crc32").tolist()
    for video_id, crc in zip(store.video_ids, checksums, strict=True):
        video = store.features(video_id)
        yield VideoRecord(
            video_id,
            len(video.embeddings),
            crc,
            video.distinct_frames,
            video.duration_seconds,
            video.start_seconds,
            video.num_frames_decoded,
            video.num_bad_packets,
            video.num_repeated_frames,
            video.status,
            video.decoder,
            video.source_size,
        )
