"""The table of the store format: names, types, versions and limits, and nothing else (`docs/feature-store.md`)."""

from typing import NamedTuple

FORMAT = "tsmfeat-features"
VERSION_MAJOR = 1
VERSION_MINOR = 0

SUFFIX = ".h5"
PARTS_SUFFIX = ".parts"
PART_PREFIX = "part-"
DAMAGED_SUFFIX = ".damaged"
DIGEST_LENGTH = 16
WORKER_PATTERN = "[A-Za-z0-9._-]{1,64}"

ALIGNMENT = 64
MAX_TEXT_BYTES = 60_000
MAX_ID_BYTES = 1024
MAX_VIDEOS = 1 << 26
# Two copies of a video from different devices or batch sizes differ by less than this share of their norm.
LARGE_DIFFERENCE = 2e-2

FORMAT_ATTRIBUTE = "format"
MAJOR_ATTRIBUTE = "version_major"
MINOR_ATTRIBUTE = "version_minor"
SPEC_ATTRIBUTE = "spec"
SPEC_DIGEST_ATTRIBUTE = "spec_sha256"
CREATED_ATTRIBUTE = "created"
GENERATOR_ATTRIBUTE = "generator"
INDEX_CRC_ATTRIBUTE = "index_crc32"
NUMBER_TYPE = "<u4"

EMBEDDINGS = "embeddings"
EMBEDDINGS_TYPE = "<f2"


class Column(NamedTuple):
    """One index array of a store file.

    Parameters
    ----------
    name
        Name of the dataset in the root group.
    dtype
        Its exact type.
    axis
        What its first axis counts: ``"videos"`` V, ``"bounds"`` V + 1, ``"intervals"`` N, ``"bytes"`` of all ids.
    width
        Length of a second axis; 0 where there is none.
    required
        Whether a file without it is refused.
    """

    name: str
    dtype: str
    axis: str
    width: int = 0
    required: bool = True


# The order is part of the format: the index CRC runs over the arrays in it.
COLUMNS = (
    Column("video_id_bytes", "|u1", "bytes"),
    Column("video_id_offset", "<i8", "bounds"),
    Column("row_offset", "<i8", "bounds"),
    Column("embedding_crc32", "<u4", "videos"),
    Column("duration_seconds", "<f8", "videos"),
    Column("start_seconds", "<f8", "videos"),
    Column("num_intervals", "<i4", "videos"),
    Column("num_frames_decoded", "<i4", "videos"),
    Column("num_bad_packets", "<i4", "videos"),
    Column("num_repeated_frames", "<i4", "videos"),
    Column("distinct_frames", "|u1", "intervals"),
    Column("status", "|u1", "videos"),
    Column("decoder", "|u1", "videos"),
    Column("source_size", "<i8", "videos"),
    Column("source_sha256", "|u1", "videos", width=32, required=False),
)

# Values of one video that a store holds under the names they have in `VideoFeatures`.
VIDEO_FIELDS = (
    "duration_seconds",
    "start_seconds",
    "num_frames_decoded",
    "num_bad_packets",
    "num_repeated_frames",
    "status",
    "decoder",
    "source_size",
)
