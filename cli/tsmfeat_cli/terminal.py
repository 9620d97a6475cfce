"""Progress and notes on stderr: a bar on a terminal, otherwise a line every 30 seconds."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from tsmfeat_cli.notes import NotesConsole

_SECONDS_BETWEEN_LINES = 30.0


class _BarWithLines(Progress):
    """A bar with some lines below it."""

    lines: tuple[str, ...] = ()

    def get_renderables(self) -> Iterable[RenderableType]:
        """Return the bar and the lines."""
        yield from super().get_renderables()
        yield from (Text(f"  {line}", no_wrap=True, overflow="ellipsis") for line in self.lines)


class TerminalProgress:
    """Draws what a workflow reports (`tsmfeat.values.progress.Progress`)."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = NotesConsole()
        self._warnings: Counter[str] = Counter()
        self._bar: _BarWithLines | None = None
        self._row: TaskID | None = None
        self._task, self._unit, self._total, self._done = "", "", 0.0, 0.0
        self._began = self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was, whatever happened, and count the warnings that came more than once."""
        self.end()
        for message, count in self._warnings.items():
            if count > 1:
                self._print_warning(f"{message} ({count} times)")

    def begin(self, task: str, total: float, unit: str) -> None:
        """Start a task of `total` units (0: unknown)."""
        self.end()
        self._task, self._unit, self._total, self._done = task, unit, total, 0.0
        self._began = self._last_line = time.monotonic()
        if not self._quiet and self._console.is_terminal:
            self._bar = _BarWithLines(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[detail]}"),
                console=self._console,
            )
            self._bar.start()
            self._row = self._bar.add_task(task, total=total or None, rate="", detail="")

    def advance(self, amount: float = 1.0, detail: str = "") -> None:
        """Count units done, with a word on what."""
        self._done += amount
        if self._bar is not None and self._row is not None:
            self._bar.update(self._row, completed=self._done, rate=self._rate(), detail=detail)
        elif not self._quiet and time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            self._console.say(Text(self._line(detail)))

    def show(self, lines: Sequence[str]) -> None:
        """Show some lines below the bar; elsewhere than on a terminal they are left out."""
        if self._bar is not None:
            self._bar.lines = tuple(lines)
            self._bar.refresh()

    def end(self) -> None:
        """Finish the task."""
        if self._bar is not None:
            self._bar.lines = ()  # they were of the way; what comes next is the result
            self._bar.stop()
            self._bar = None

    def note(self, message: str) -> None:
        """Say something worth knowing, unless quiet."""
        if not self._quiet:
            self._console.say(Text(message))

    def warn(self, message: str) -> None:
        """Say something that should be looked at; the same thing again is only counted."""
        self._warnings[message] += 1
        if self._warnings[message] == 1:
            self._print_warning(message)

    def _print_warning(self, message: str) -> None:
        self._console.say(Text.assemble(("warning: ", "bold yellow"), message))

    def _line(self, detail: str) -> str:
        of_total = f" of {self._total:,.0f}" if self._total else ""
        parts = [f"{self._task}: {self._done:,.0f}{of_total} {self._unit}", self._rate(), self._time_left(), detail]
        return ", ".join(part for part in parts if part)

    def _rate(self) -> str:
        elapsed = time.monotonic() - self._began
        return f"{self._done / elapsed:,.1f} {self._unit}/s" if elapsed > 0 else ""

    def _time_left(self) -> str:
        if not (self._total and self._done):
            return ""
        left = (time.monotonic() - self._began) * max(self._total - self._done, 0.0) / self._done
        return f"about {left:,.0f} s left"
