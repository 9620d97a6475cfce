"""A store file written straight from rows that are made on the way: for features that something else has computed."""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError
from tsmfeat.files import make_folder
from tsmfeat.store import schema
from tsmfeat.store.image import Columns, build_image, encode_video_ids, offsets_of, rows_as_bytes
from tsmfeat.store.publishing import publish_file, timestamp_now
from tsmfeat.store.temporaries import remove_stale_temporaries
from tsmfeat.values.features import Decoder, FeatureSpec, VideoStatus


@dataclass(frozen=True, eq=False)
class VideoRecord:
    """What a store holds of one video beside its rows.

    Parameters
    ----------
    video_id
        As in `tsmfeat.values.features.VideoFeatures`, whose field names these are.
    num_intervals
        Rows.
    embedding_crc32
        CRC-32 over the rows' bytes as little-endian float16.
    distinct_frames
        uint8 (num_intervals,).
    duration_seconds, start_seconds, num_frames_decoded, num_bad_packets, num_repeated_frames, status, decoder
        As in `VideoFeatures`.
    source_size
        Bytes of the video file; 0: unknown.
    """

    video_id: str
    num_intervals: int
    embedding_crc32: int
    distinct_frames: npt.NDArray[np.uint8]
    duration_seconds: float
    start_seconds: float = 0.0
    num_frames_decoded: int = 0
    num_bad_packets: int = 0
    num_repeated_frames: int = 0
    status: VideoStatus = VideoStatus.COMPLETE
    decoder: Decoder = Decoder.PYAV
    source_size: int = 0


def write_records(
    out: Path,
    spec: FeatureSpec,
    records: Sequence[VideoRecord],
    blocks_of: Callable[[VideoRecord], Iterable[npt.NDArray[np.float16]]],
    *,
    created: str | None = None,
) -> None:
    """Write videos into one store file, block of rows by block of rows, by the same path as a part.

    Parameters
    ----------
    out
        The ``.h5`` file, replaced as a whole if it exists.
    spec
        Identity of the features.
    records
        The videos, with pairwise different ids; they are laid in ascending order of them.
    blocks_of
        Called once a video, in that order: the video's rows, float16 (any, D), block after block.
    created
        Time stamp of the file; default: now.

    Raises
    ------
    InputError
        The rows of a video are not those its checksum was taken of; nothing is written.
    OutputError
        No room, or the folder cannot be written; an existing `out` is untouched.
    """
    make_folder(out.parent)
    remove_stale_temporaries(out.parent, lambda name: name == out.name)
    ordered = sorted(records, key=lambda record: record.video_id)
    image = build_image(spec, _columns_of(ordered), created or timestamp_now())
    publish_file(out, image, _checked_rows(ordered, blocks_of), replace=True)


def _columns_of(records: Sequence[VideoRecord]) -> Columns:
    names = (*schema.VIDEO_FIELDS, "num_intervals", "embedding_crc32")
    columns: Columns = {name: np.array([getattr(record, name) for record in records]) for name in names}
    columns["row_offset"] = offsets_of([record.num_intervals for record in records])
    columns["distinct_frames"] = np.concatenate([np.zeros(0, np.uint8), *[r.distinct_frames for r in records]])
    return columns | encode_video_ids([record.video_id for record in records])


def _checked_rows(
    records: Sequence[VideoRecord], blocks_of: Callable[[VideoRecord], Iterable[npt.NDArray[np.float16]]]
) -> Iterator[memoryview]:
    for record in records:
        crc = 0
        for block in blocks_of(record):
            chunk = rows_as_bytes(block)
            crc = zlib.crc32(chunk, crc)
            yield chunk
        # The index was written before the rows: what has changed since would not fit it.
        if crc != record.embedding_crc32:
            raise InputError(f"{record.video_id}: its rows changed while they were read", "run the same command again")
