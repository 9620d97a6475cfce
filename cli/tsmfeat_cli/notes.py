"""Standard error: what people may read. If nobody can, the work goes on."""

from contextlib import suppress

from rich.console import Console
from rich.text import Text


class NotesConsole(Console):
    """A console on standard error that a full disk or a reader who left does not stop."""

    def __init__(self) -> None:
        super().__init__(stderr=True, highlight=False, soft_wrap=True)

    def say(self, text: Text) -> None:
        """Print a text; what cannot be written is lost."""
        with suppress(OSError):
            self.print(text)

    def on_broken_pipe(self) -> None:
        """Say nothing more; rich would end the process."""
        self.quiet = True
