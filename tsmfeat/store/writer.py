"""Publishing finished videos as immutable parts, while an extraction runs."""

import hashlib
import math
import platform
import re
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from tsmfeat.errors import ConfigurationError, InputError, OutputError, StoreError
from tsmfeat.files import make_folder, sha256_file
from tsmfeat.store import schema
from tsmfeat.store.folders import files_in
from tsmfeat.store.image import StoreImage, build_image, collect_columns, rows_as_bytes
from tsmfeat.store.options import StoreOptions
from tsmfeat.store.publishing import publish_file, timestamp_now
from tsmfeat.store.temporaries import remove_stale_temporaries
from tsmfeat.store.validation import read_index
from tsmfeat.values.features import FeatureSpec, VideoFeatures, require_same_spec

_COUNT_FIELDS = ("num_frames_decoded", "num_bad_packets", "num_repeated_frames")


class PartWriter:
    """Collects finished videos in memory and publishes them as parts: write-once files in one folder.

    Any number of writers may share a folder without locks. A video is finished when `publish` has returned; nothing
    that happens later, short of damage to the disk, loses it. On a clean exit of the ``with`` block what is left is
    published; on an exception it is dropped.

    Parameters
    ----------
    folder
        Where the parts lie; made if it is missing.
    spec
        Identity of the features.
    worker
        Name of this writer in its parts' names, such as ``"shard-0-of-4"``; default: the machine's name.
    options
        When a part is due.

    Attributes
    ----------
    finished : list of str
        Ids of the videos that this writer has published, in order.

    Raises
    ------
    ConfigurationError
        The worker's name has other characters than letters, digits, ``.``, ``_`` and ``-``.
    SpecMismatchError
        The folder holds features of another spec.
    OutputError
        The folder cannot be made.
    """

    def __init__(
        self, folder: Path, spec: FeatureSpec, *, worker: str = "", options: StoreOptions | None = None
    ) -> None:
        self.finished: list[str] = []
        self._folder = folder
        self._spec = spec
        self._worker = worker or _machine_name()
        self._options = options or StoreOptions()
        self._buffer: dict[str, VideoFeatures] = {}
        self._oldest = 0.0
        if not re.fullmatch(schema.WORKER_PATTERN, self._worker):
            raise ConfigurationError(
                f"worker name {worker!r}; 1 to 64 letters, digits, '.', '_' and '-' are legal", "choose another name"
            )
        make_folder(folder)
        self._require_own_spec()
        remove_stale_temporaries(folder, self._is_mine)

    def __enter__(self) -> Self:
        """Return the writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Publish what is left, unless an exception passes through."""
        if kind is None:
            self.publish()

    @property
    def buffered(self) -> tuple[str, ...]:
        """Ids of the videos that wait to be published."""
        return tuple(self._buffer)

    @property
    def num_buffered_bytes(self) -> int:
        """Embedding bytes that wait to be published."""
        return sum(video.embeddings.nbytes for video in self._buffer.values())

    @property
    def publish_due(self) -> bool:
        """Whether what waits is big or old enough to become a part."""
        if not self._buffer:
            return False
        old = time.monotonic() - self._oldest >= self._options.part_seconds
        return old or self.num_buffered_bytes >= self._options.part_bytes

    def append(self, video: VideoFeatures) -> None:
        """Take a video into the buffer; it is not finished before `publish`.

        Raises
        ------
        InputError
            Another embedding size than the spec's, a value the store cannot hold, or an id that is buffered already.
        """
        require_storable(video, self._spec)
        if video.video_id in self._buffer:
            raise InputError(f"{video.video_id}: appended twice; a part holds a video once", "append each video once")
        if not self._buffer:
            self._oldest = time.monotonic()
        self._buffer[video.video_id] = video

    def publish(self, created: str | None = None) -> Path | None:
        """Write the buffered videos as one part; from then on they are finished.

        Parameters
        ----------
        created
            Time stamp of the part; default: now.

        Returns
        -------
        path
            The part, or None where nothing was buffered.

        Raises
        ------
        OutputError
            It could not be written. Finished videos are untouched, the buffered ones stay buffered.
        SpecMismatchError
            Another run has published features of another spec since this writer was made; nothing is written.
        """
        if not self._buffer:
            return None
        if not self.finished:
            # Two runs may have begun in an empty folder: the second to publish must not spoil it for both.
            with suppress(StoreError):
                self._require_own_spec()
        videos = [self._buffer[video_id] for video_id in sorted(self._buffer)]
        image = build_image(self._spec, collect_columns(videos), created or timestamp_now())
        rows = [rows_as_bytes(video.embeddings) for video in videos]
        path = self._publish_part(image, rows)
        self.finished.extend(self._buffer)
        self._buffer.clear()
        return path

    def _require_own_spec(self) -> None:
        if present := files_in(self._folder):
            require_same_spec(read_index(present[0]).spec, self._spec, str(present[0]), "this run")

    def _publish_part(self, image: StoreImage, rows: list[memoryview]) -> Path:
        digest = hashlib.sha256(image.head)
        for chunk in rows:
            digest.update(chunk)
        name = f"{schema.PART_PREFIX}{self._worker}-{digest.hexdigest()[: schema.DIGEST_LENGTH]}{schema.SUFFIX}"
        path = self._folder / name
        try:
            self._publish_in_folder(path, image, rows, replace=False)
        except FileExistsError:
            if not _has_digest(path, digest.hexdigest()):
                # The name is that of the content: what lies there is this very part, damaged, or it has just gone.
                self._publish_in_folder(path, image, rows, replace=True)
        return path

    def _publish_in_folder(self, path: Path, image: StoreImage, rows: list[memoryview], *, replace: bool) -> None:
        while True:
            # Another run may have packed all parts and removed the empty folder, at any moment.
            make_folder(self._folder)
            try:
                return publish_file(path, image, rows, replace=replace)
            except (OutputError, FileNotFoundError):
                if self._folder.is_dir():
                    raise

    def _is_mine(self, name: str) -> bool:
        pattern = rf"{schema.PART_PREFIX}{re.escape(self._worker)}-[0-9a-f]{{{schema.DIGEST_LENGTH}}}\{schema.SUFFIX}"
        return re.fullmatch(pattern, name) is not None


def _has_digest(path: Path, digest: str) -> bool:
    try:
        return sha256_file(path) == digest
    except OSError:
        return False


def require_storable(video: VideoFeatures, spec: FeatureSpec) -> None:
    """Refuse features that the format cannot hold, naming the first bad value.

    Raises
    ------
    InputError
        Another embedding size than the spec's; a duration that is negative, NaN or infinite; a count below 0 or
        beyond 32 bits.
    """
    size = video.embeddings.shape[1]
    if size != spec.embedding_size:
        raise InputError(
            f"{video.video_id}: embeddings of size {size}; the spec says {spec.embedding_size}", "check the trunk"
        )
    if video.distinct_frames.dtype != np.uint8:
        raise InputError(f"{video.video_id}: distinct_frames is {video.distinct_frames.dtype}, not uint8", "cast it")
    if not (math.isfinite(video.start_seconds) and 0 <= video.duration_seconds < math.inf):
        raise InputError(
            f"{video.video_id}: duration {video.duration_seconds}, start {video.start_seconds}; both are finite and a "
            "duration is not negative",
            "probe the video again",
        )
    values = {name: getattr(video, name) for name in _COUNT_FIELDS} | {"num_intervals": len(video.embeddings)}
    for name, value in values.items():
        if not 0 <= value < 2**31:
            raise InputError(f"{video.video_id}: {name} is {value}; 0 to 2**31 - 1 are legal", "")
    if not 0 <= video.source_size < 2**63:
        raise InputError(f"{video.video_id}: source_size is {video.source_size}", "")


def _machine_name() -> str:
    return re.sub("[^A-Za-z0-9._-]", "_", platform.node())[:64] or "worker"
