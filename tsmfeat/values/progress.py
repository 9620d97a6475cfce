"""How a workflow reports what it does; the command line draws it."""

from collections.abc import Sequence
from typing import Protocol


class Progress(Protocol):
    """Receives what a workflow has to say while it runs."""

    def begin(self, task: str, total: float, unit: str) -> None:
        """Start a task of `total` units (0: unknown)."""

    def advance(self, amount: float = 1.0, detail: str = "") -> None:
        """Count units done, with a word on what."""

    def show(self, lines: Sequence[str]) -> None:
        """Show some lines that change while the task runs, such as the best runs so far."""

    def end(self) -> None:
        """Finish the task."""

    def note(self, message: str) -> None:
        """Say something worth knowing."""

    def warn(self, message: str) -> None:
        """Say something that should be looked at."""


class Silence:
    """A `Progress` that says nothing: the default of every workflow.

    Examples
    --------
    >>> Silence().note("nobody hears this")
    """

    def begin(self, task: str, total: float, unit: str) -> None:
        """Ignore."""

    def advance(self, amount: float = 1.0, detail: str = "") -> None:
        """Ignore."""

    def show(self, lines: Sequence[str]) -> None:
        """Ignore."""

    def end(self) -> None:
        """Ignore."""

    def note(self, message: str) -> None:
        """Ignore."""

    def warn(self, message: str) -> None:
        """Ignore."""
