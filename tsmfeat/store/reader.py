"""One reader for a store file, a folder of parts, or a list of both."""

import zlib
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError, InputError, SpecMismatchError, StoreError, did_you_mean
from tsmfeat.store import schema
from tsmfeat.store.catalog import build_catalog, conflicting_videos, join_column
from tsmfeat.store.folders import expand_paths
from tsmfeat.store.image import offsets_of, rows_as_bytes
from tsmfeat.store.options import VERIFY_CHOICES
from tsmfeat.store.rows import Rows, map_files, read_rows
from tsmfeat.store.validation import FileIndex, read_index
from tsmfeat.values.features import Decoder, VideoFeatures, VideoStatus, require_same_spec


def open_features(paths: str | Path | Sequence[str | Path], verify: str = "first") -> "FeatureStore":
    """Open stored features: a file, a folder of parts, or several of them as one store.

    Parameters
    ----------
    paths
        Store files and folders of store files.
    verify
        ``"first"``: the checksum of a video is checked when it is first read. ``"never"``: it is not.

    Returns
    -------
    store
        A context manager. All indexes are read and checked; no row is.

    Raises
    ------
    StoreError
        Missing, empty or damaged: the file and the rule it breaks are named.
    SpecMismatchError
        Two files hold features of different specs: both are named, with each differing field.
    """
    if verify not in VERIFY_CHOICES:
        raise ConfigurationError(f"verify={verify!r}; known: {', '.join(VERIFY_CHOICES)}", "choose one of them")
    indexes = [read_index(path) for path in expand_paths(paths)]
    for index in indexes[1:]:
        _require_one_store(indexes[0], index)
    return FeatureStore(indexes, verify=verify == "first")


def _require_one_store(one: FileIndex, other: FileIndex) -> None:
    try:
        require_same_spec(one.spec, other.spec, str(one.path), str(other.path))
    except SpecMismatchError as error:
        raise SpecMismatchError(error.message, f"name files of one spec only, such as {one.path}") from error


class FeatureStore:
    """Stored features of many videos, open for reading. Made by `open_features`.

    Arrays are handed out read-only. Videos come in ascending order of their ids, however they lie in files.

    Parameters
    ----------
    indexes
        Checked indexes of files of one spec; an earlier file wins over a later one.
    verify
        Whether the checksum of a video is checked when it is first read.

    Attributes
    ----------
    spec : FeatureSpec
        Identity of the features.
    video_ids : tuple of str
        The V ids.
    row_offset : ndarray
        int64 (V + 1,): where the intervals of each video start when all are laid one after another.
    files : tuple of Path
        The store files.
    """

    def __init__(self, indexes: Sequence[FileIndex], *, verify: bool) -> None:
        self._indexes = tuple(indexes)
        self._catalog = build_catalog(indexes)
        self._slots = self._catalog.slots.copy()
        self._position = dict(zip(self._catalog.video_ids, range(len(self._slots)), strict=True))
        self._crc = join_column(indexes, "embedding_crc32")
        self._verified = np.full(len(self._crc), not verify)
        self._maps: list[Rows | None] | None = map_files(indexes)
        self.spec = indexes[0].spec
        self.video_ids = self._catalog.video_ids
        self.row_offset = offsets_of((self._catalog.last_row - self._catalog.first_row)[self._slots])
        self.row_offset.flags.writeable = False
        self.files = tuple(index.path for index in indexes)

    def __enter__(self) -> Self:
        """Return the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()

    def close(self) -> None:
        """Let go of the files; arrays handed out before stay valid."""
        self._maps = None

    def __contains__(self, video_id: object) -> bool:
        """Return whether a video is stored."""
        return video_id in self._position

    def __len__(self) -> int:
        """Return the number of videos."""
        return len(self.video_ids)

    @property
    def num_videos(self) -> int:
        """Number of videos V."""
        return len(self.video_ids)

    @property
    def num_intervals(self) -> int:
        """Number of intervals of all videos."""
        return int(self.row_offset[-1])

    @property
    def duplicated(self) -> tuple[str, ...]:
        """Ids of videos that more than one file holds."""
        return tuple(self._catalog.copies)

    @property
    def conflicting(self) -> tuple[str, ...]:
        """Ids of videos that two files hold with different checksums or numbers of intervals."""
        return conflicting_videos(self._catalog, self._crc)

    @property
    def mended(self) -> tuple[str, ...]:
        """Ids of videos whose first copy was found damaged, so that another file's counts."""
        return tuple(self.video_ids[place] for place in np.flatnonzero(self._slots != self._catalog.slots))

    @property
    def duration_seconds(self) -> npt.NDArray[np.float64]:
        """Length L of each video: float64 (V,)."""
        return self.column("duration_seconds")

    @property
    def status(self) -> npt.NDArray[np.uint8]:
        """Code of `VideoStatus` of each video: uint8 (V,)."""
        return self.column("status")

    def column(self, name: str) -> npt.NDArray[Any]:
        """Return one stored value a video, such as ``"duration_seconds"`` or ``"status"``.

        Parameters
        ----------
        name
            A name of `schema.COLUMNS` that counts videos: ``duration_seconds``, ``start_seconds``,
            ``num_intervals``, ``num_frames_decoded``, ``num_bad_packets``, ``num_repeated_frames``, ``status``,
            ``decoder``, ``source_size``, ``embedding_crc32``.

        Returns
        -------
        values
            (V,), in the order of `video_ids`.
        """
        values = join_column(self._indexes, name)[self._slots]
        values.flags.writeable = False
        return values

    def embeddings(self, video_id: str) -> Rows:
        """Return the embeddings of one video, read-only.

        Returns
        -------
        embeddings
            float16 (N, D): one row an interval.

        Raises
        ------
        InputError
            No such video.
        StoreError
            Its checksum does not match (checked at the first read), and no other file holds it intact.
        """
        return self._verified_rows(self._position_of(video_id))

    def distinct_frames(self, video_id: str) -> npt.NDArray[np.uint8]:
        """Return how many distinct source frames each clip of a video has: uint8 (N,)."""
        slot = self._slots[self._position_of(video_id)]
        counts: npt.NDArray[np.uint8] = self._indexes[self._catalog.file_of[slot]].columns["distinct_frames"]
        return counts[self._catalog.first_row[slot] : self._catalog.last_row[slot]]

    def features(self, video_id: str) -> VideoFeatures:
        """Return everything stored about one video; its embeddings are also checked to be finite."""
        rows = self.embeddings(video_id)
        slot = self._slots[self._position_of(video_id)]
        index = self._indexes[self._catalog.file_of[slot]]
        place = self._catalog.place_of[slot]
        values = {name: index.columns[name][place].item() for name in schema.VIDEO_FIELDS}
        values["status"] = VideoStatus(values["status"])
        values["decoder"] = Decoder(values["decoder"])
        return VideoFeatures(video_id, rows, distinct_frames=self.distinct_frames(video_id), **values)

    def gather(self, video_ids: Iterable[str]) -> tuple[Rows, npt.NDArray[np.int64]]:
        """Copy the embeddings of some videos into one array.

        Parameters
        ----------
        video_ids
            Ids, in the order wanted.

        Returns
        -------
        embeddings
            float16 (N, D), the videos' intervals one after another.
        row_offset
            int64 (videos + 1,): where each video starts.

        Raises
        ------
        InputError
            Some are not stored: their number and the nearest name are given.
        StoreError
            A video is damaged.
        """
        wanted = list(video_ids)
        self._require_known(wanted)
        positions = [self._position[video_id] for video_id in wanted]
        row_offset = offsets_of(np.diff(self.row_offset)[positions] if positions else [])
        table = np.empty((int(row_offset[-1]), self.spec.embedding_size), np.float16)
        for position, (first, last) in zip(positions, pairwise(row_offset.tolist()), strict=True):
            table[first:last] = self._verified_rows(position)
        return table, row_offset

    def verified_embeddings(self, video_id: str) -> Rows:
        """Return the embeddings of one video, checked now, whatever was checked before.

        Raises
        ------
        StoreError
            Its checksum does not match, and no other file holds it intact.
        """
        position = self._position_of(video_id)
        self._verified[self._slots[position]] = False
        return self._verified_rows(position)

    def copies(self, video_id: str) -> list[Rows]:
        """Return the embeddings that other files hold for a video, unchecked."""
        position = self._position_of(video_id)
        return [self._rows(slot) for slot in self._catalog.copies.get(video_id, ()) if slot != self._slots[position]]

    def _position_of(self, video_id: str) -> int:
        if video_id not in self._position:
            self._require_known([video_id])
        return self._position[video_id]

    def _require_known(self, video_ids: Sequence[str]) -> None:
        unknown = [video_id for video_id in video_ids if video_id not in self._position]
        if unknown:
            raise InputError(
                f"{len(unknown)} of {len(video_ids)} wanted videos, such as {unknown[0]!r}, are not among the "
                f"{self.num_videos} stored",
                did_you_mean(unknown[0], self.video_ids) or "run `tsmfeat inspect` to see the ids",
            )

    def _verified_rows(self, position: int) -> Rows:
        slot = int(self._slots[position])
        rows = self._rows(slot)
        if self._verified[slot] or self._is_intact(slot, rows):
            return rows
        return self._stand_in(position)

    def _is_intact(self, slot: int, rows: Rows) -> bool:
        self._verified[slot] = zlib.crc32(rows_as_bytes(rows)) == self._crc[slot]
        return bool(self._verified[slot])

    def _stand_in(self, position: int) -> Rows:
        # Another file's copy of a damaged video counts from now on, if it has as many intervals.
        video_id, damaged = self.video_ids[position], int(self._slots[position])
        for slot in self._catalog.copies.get(video_id, ()):
            rows = self._rows(slot)
            if len(rows) == self._num_rows(damaged) and self._is_intact(slot, rows):
                self._slots[position] = slot
                return rows
        path = self._indexes[self._catalog.file_of[damaged]].path
        raise StoreError(
            f"{path}: the embeddings of video {video_id!r} are damaged (their checksum does not match)",
            "copy the file anew, or remove it and run the same `tsmfeat extract` again",
        )

    def _num_rows(self, slot: int) -> int:
        return int(self._catalog.last_row[slot] - self._catalog.first_row[slot])

    def _rows(self, slot: int) -> Rows:
        if self._maps is None:
            raise StoreError("the store is closed", "read inside its `with` block")
        file, first, last = self._catalog.file_of[slot], self._catalog.first_row[slot], self._catalog.last_row[slot]
        mapped = self._maps[file]
        return read_rows(self._indexes[file], int(first), int(last)) if mapped is None else mapped[first:last]
