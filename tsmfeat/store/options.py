"""Choices of the store: when a part is published, and when stored rows are verified."""

from dataclasses import dataclass

VERIFY_CHOICES = ("first", "never")


@dataclass(frozen=True)
class StoreOptions:
    """When the buffered videos of a running extraction become a part.

    Parameters
    ----------
    part_bytes
        Embedding bytes after which a part is due.
    part_seconds
        Age of the oldest buffered video after which a part is due.
    """

    part_bytes: int = 32 * 1024 * 1024
    part_seconds: float = 30.0
