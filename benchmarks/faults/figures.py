"""The figures of a result as `docs/reliability.md` states them."""

from collections.abc import Mapping
from typing import Any

DAMAGES = ("truncated", "bit flipped", "page of 4 KiB zeroed", "rows zeroed with their checksum")
# What is told of each part, in this order; a count that is absent is 0.
_TOLD = {
    "kill at every call": ("points", "finished videos at a stop"),
    "kill at random": ("kills", "finished videos at a stop", "outputs"),
    "16 writers": ("kills", "folders", "polls"),
    "16 shards": ("kills", "folders", "polls"),
    "disk full at every call": ("points",),
    "small disk": ("full disks",),
    "read-only folder": ("read-only folders",),
    "signals": ("SIGINT", "SIGTERM", "SIGINT, twice", "SIGTERM, twice", "stopped amid the run"),
    "damaged files": (*DAMAGES, "files refused", "videos refused", "videos made again"),
    "parts taken away": ("parts removed", "parts replaced"),
    "two runs at once": ("pairs",),
    "another recipe": ("other recipes",),
    "broken readers": ("crash: runs", "hang: runs"),
}
_KILLS = {"kill at every call": "points", "kill at random": "kills", "16 writers": "kills", "16 shards": "kills"}


def tell_part(name: str, part: Mapping[str, Any]) -> str:
    """Return the figures of one part of a result.

    Examples
    --------
    >>> part = {"counts": {"pairs": 8}, "checks": {"nothing is lost": 1500}, "violations": {"nothing is lost": 0}}
    >>> tell_part("two runs at once", part)
    '8 pairs; 0 of 1,500 checks failed'
    """
    told = ", ".join(f"{part['counts'].get(count, 0):,} {count}" for count in _TOLD[name])
    failed, checked = sum(part["violations"].values()), sum(part["checks"].values())
    return f"{told}; {failed:,} of {checked:,} checks failed"


def count_kills(parts: Mapping[str, Any]) -> tuple[int, int]:
    """Return how many processes were killed in all, and how many of them at random moments."""
    kills = {name: int(parts.get(name, {"counts": {}})["counts"].get(count, 0)) for name, count in _KILLS.items()}
    return sum(kills.values()), sum(kills.values()) - kills["kill at every call"]
