"""Shards: which share of the videos a run takes, so that many machines divide them without talking to each other."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tsmfeat.errors import ConfigurationError
from tsmfeat.workflows.sources import VideoSource

_SHARD = re.compile(r"([0-9]{1,7})/([0-9]{1,7})", re.ASCII)


@dataclass(frozen=True)
class Shard:
    """Share `index` (from 0) of `count`."""

    index: int
    count: int


def parse_shard(text: str) -> Shard | None:
    """Return the share that ``"i/n"`` names, None for an empty text.

    Raises
    ------
    ConfigurationError
        Another text, or no share of that number.

    Examples
    --------
    >>> parse_shard("0/4")
    Shard(index=0, count=4)
    """
    if not text:
        return None
    match = _SHARD.fullmatch(text)
    if match and int(match[1]) < int(match[2]):
        return Shard(int(match[1]), int(match[2]))
    raise ConfigurationError(
        f"shard {text!r}: a shard is i/n with i from 0 to n - 1",
        "use --shard 0/4, 1/4, 2/4 and 3/4 for four runs; in a Slurm array --shard "
        "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT with --array=0-3",
    )


def shard_of(video_id: str, count: int) -> int:
    """Return which of `count` shares a video falls into: its id's SHA-256, as a number, modulo `count`.

    Examples
    --------
    >>> [shard_of(video_id, 3) for video_id in ("a", "b", "c")]
    [1, 2, 1]
    """
    return int.from_bytes(hashlib.sha256(video_id.encode()).digest(), "big") % count


def select_shard(sources: Sequence[VideoSource], shard: Shard | None) -> list[VideoSource]:
    """Return the videos of a share, in their order; all without one. The views of a video stay together."""
    return [source for source in sources if shard is None or shard_of(source.video_id, shard.count) == shard.index]


def shard_name(shard: Shard | None) -> str:
    """Return what a run's parts and lists are called after its share; empty without one.

    Examples
    --------
    >>> shard_name(Shard(2, 16))
    '2-of-16'
    """
    return "" if shard is None else f"{shard.index}-of-{shard.count}"
