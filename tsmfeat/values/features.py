"""The identity of features, and the features of one video."""

from dataclasses import asdict, dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError, SpecMismatchError
from tsmfeat.files import canonical_json, sha256_text

SAMPLING_VERSION = 1


class VideoStatus(IntEnum):
    """How completely a video was read."""

    COMPLETE = 0
    TRUNCATED = 1
    CORRUPT_PARTIAL = 2


class Decoder(IntEnum):
    """Which reader decoded a video."""

    PYAV = 0
    DECORD = 1
    TORCHCODEC = 2


@dataclass(frozen=True)
class FeatureSpec:
    """Everything that makes two embeddings comparable.

    Parameters
    ----------
    trunk
        Name as in torchvision, such as ``"resnext101_64x4d"``.
    checkpoint_digest
        SHA-256 over the trunk's tensors (`tsmfeat.files.digest_tensors`).
    num_frames
        Frames T of a clip.
    step_seconds
        The grid's step t.
    clip_seconds
        The clip's span; equal to the step unless it reaches beyond the interval.
    geometry
        How frames are resized and cropped, such as ``"square256"``.
    resize_filter
        ``"pil"`` or ``"reader"``.
    shift
        Whether the temporal shift is on.
    shift_div
        The share of channels shifted each way is ``1 / shift_div``.
    precision
        Resolved: ``"fp32"``, ``"bf16"`` or ``"fp16"``.
    embedding_size
        D.
    view
        Name of the view; empty where there is one.
    reader
        Decoder, where the reader's own resize makes it part of the identity; else empty.
    sampling_version
        Version of the sampling rule.

    Examples
    --------
    >>> spec = FeatureSpec("resnet18", "0" * 64, 8, 0.5, 0.5, "square256", "pil", True, 8, "fp32", 512)
    >>> FeatureSpec.from_dict(spec.to_dict()) == spec
    True
    """

    trunk: str
    checkpoint_digest: str
    num_frames: int
    step_seconds: float
    clip_seconds: float
    geometry: str
    resize_filter: str
    shift: bool
    shift_div: int
    precision: str
    embedding_size: int
    view: str = ""
    reader: str = ""
    sampling_version: int = SAMPLING_VERSION

    def __post_init__(self) -> None:
        """Make seconds floats: 1 and 1.0 must have one JSON text, because the text is the identity."""
        object.__setattr__(self, "step_seconds", float(self.step_seconds))
        object.__setattr__(self, "clip_seconds", float(self.clip_seconds))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON-able values."""
        return asdict(self)

    @staticmethod
    def from_dict(values: dict[str, Any]) -> "FeatureSpec":
        """Build a spec from `to_dict`'s result.

        Raises
        ------
        SpecMismatchError
            A field is missing or unknown: the spec was written by another version.
        """
        known = {f.name for f in fields(FeatureSpec)}
        if set(values) != known:
            odd = sorted(set(values) ^ known)
            raise SpecMismatchError(f"spec fields {odd} are missing or unknown here", "use the version that wrote it")
        return FeatureSpec(**values)

    def canonical(self) -> str:
        """Return the spec's one JSON text."""
        return canonical_json(self.to_dict())

    def digest(self) -> str:
        """Return the SHA-256 of the canonical text."""
        return sha256_text(self.canonical())

    def differences(self, other: "FeatureSpec") -> list[str]:
        """Name every field in which two specs differ, with both values.

        Examples
        --------
        >>> a = FeatureSpec("resnet18", "0" * 64, 8, 0.5, 0.5, "square256", "pil", True, 8, "fp32", 512)
        >>> from dataclasses import replace
        >>> a.differences(replace(a, step_seconds=1.0, clip_seconds=1.0))
        ['step_seconds: 0.5 / 1.0', 'clip_seconds: 0.5 / 1.0']
        """
        names = [f.name for f in fields(self)]
        pairs = [(name, getattr(self, name), getattr(other, name)) for name in names]
        return [f"{name}: {_short(mine)} / {_short(theirs)}" for name, mine, theirs in pairs if mine != theirs]


def _short(value: object) -> str:
    text = str(value)
    return text[:12] + "…" if len(text) == 64 else text


def require_same_spec(ours: FeatureSpec, theirs: FeatureSpec, our_place: str, their_place: str) -> None:
    """Refuse two specs that differ, naming each field.

    Raises
    ------
    SpecMismatchError
        With ``field: ours / theirs`` for every differing field.
    """
    if differences := ours.differences(theirs):
        raise SpecMismatchError(
            f"{our_place} and {their_place} belong to different features ({our_place} / {their_place}): "
            + "; ".join(differences),
            "use features and checkpoints of one spec, or write to another output",
        )


@dataclass(frozen=True, eq=False)
class VideoFeatures:
    """The embeddings of one video, with how they were read.

    Parameters
    ----------
    video_id
        Non-empty UTF-8 text of at most 1024 bytes without control characters.
    embeddings
        float16 (N, D): one row an interval. N may be 0.
    duration_seconds, start_seconds
        Length L, and the container's start on its own clock.
    distinct_frames
        uint8 (N,): distinct source frames in each clip.
    num_frames_decoded, num_bad_packets, num_repeated_frames
        Quality of the reading.
    status, decoder
        `VideoStatus` and `Decoder`.
    source_size
        Bytes of the video file.

    Raises
    ------
    InputError
        Wrong dtype or shape, or a non-finite embedding: the first bad interval is named.
    """

    video_id: str
    embeddings: npt.NDArray[np.float16]
    duration_seconds: float
    distinct_frames: npt.NDArray[np.uint8]
    start_seconds: float = 0.0
    num_frames_decoded: int = 0
    num_bad_packets: int = 0
    num_repeated_frames: int = 0
    status: VideoStatus = VideoStatus.COMPLETE
    decoder: Decoder = Decoder.PYAV
    source_size: int = 0

    def __post_init__(self) -> None:
        """Check id, dtype, shape and finiteness."""
        require_valid_video_id(self.video_id)
        if self.embeddings.dtype != np.float16 or self.embeddings.ndim != 2:
            found = f"{self.embeddings.dtype} of shape {self.embeddings.shape}"
            raise InputError(f"{self.video_id}: embeddings are {found}; expected float16 (N, D)", "cast them")
        if self.distinct_frames.shape != self.embeddings.shape[:1]:
            raise InputError(f"{self.video_id}: distinct_frames has another length than the embeddings", "")
        # Exponent bits all set mean NaN or infinity: six times faster on float16 than np.isfinite.
        bits = np.ascontiguousarray(self.embeddings).view(np.uint16)
        bad = (bits & np.uint16(0x7C00)) == np.uint16(0x7C00)
        if bad.any():
            row = int(np.argmax(bad.any(axis=1)))
            raise InputError(
                f"{self.video_id}: interval {row} has a NaN or infinite embedding; features are finite",
                "check the checkpoint and the precision (fp16 overflows above 65504)",
            )


def require_valid_video_id(video_id: str) -> None:
    r"""Refuse ids that a store could not hold faithfully.

    Raises
    ------
    InputError
        Empty, over 1024 UTF-8 bytes, or with control characters or lone surrogates.

    Examples
    --------
    >>> require_valid_video_id("kitchen/cam 1 – ö")
    >>> require_valid_video_id("a\0b")
    Traceback (most recent call last):
    ...
    tsmfeat.errors.InputError: video id 'a\x00b' has a control character or a lone surrogate (hint: rename the video)
    """
    if not video_id:
        raise InputError("a video id is empty; ids have at least one character", "name the video")
    if any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) <= 0xDFFF for c in video_id):
        raise InputError(f"video id {video_id!r} has a control character or a lone surrogate", "rename the video")
    if len(video_id.encode()) > 1024:
        raise InputError(f"video id {video_id[:40]!r}… has over 1024 bytes in UTF-8", "use a shorter name")
