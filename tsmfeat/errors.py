"""One family of errors: what was found and the rule it breaks, then the remedy."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class TsmfeatError(Exception):
    """Base of every error a user can meet.

    Parameters
    ----------
    message
        What was found, where, and the rule it breaks.
    hint
        The command or change that mends it.

    Examples
    --------
    >>> error = InputError("a.mp4: 0 bytes; a video cannot be empty", "copy the file again")
    >>> print(error)
    a.mp4: 0 bytes; a video cannot be empty (hint: copy the file again)
    >>> error.exit_code
    4
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Message and hint in one line, for notebooks and logs."""
        return f"{self.message} (hint: {self.hint})" if self.hint else self.message


class ConfigurationError(TsmfeatError):
    """An option, or a combination of options, that cannot be carried out."""

    exit_code = 2


class IncompleteError(TsmfeatError):
    """The run ended, but some items failed or a demanded score was missed."""

    exit_code = 3


class InputError(TsmfeatError):
    """Input data that is invalid or damaged.

    Parameters
    ----------
    message, hint
        As in `TsmfeatError`.
    problems
        All that was found where a message names only the first: each with its place and the rule it breaks.
    """

    exit_code = 4

    def __init__(self, message: str, hint: str = "", problems: Iterable[str] = ()) -> None:
        super().__init__(message, hint)
        self.problems = tuple(problems)


class VideoError(InputError):
    """A video that cannot be read, or not completely."""


class StoreError(InputError):
    """A feature store that is damaged or not one of ours."""


class CheckpointError(InputError):
    """A checkpoint that cannot be read, or does not fit the network."""


class EnvironmentLackError(TsmfeatError):
    """Something this machine lacks: a decoder, CUDA, an extra."""

    exit_code = 5


class SpecMismatchError(TsmfeatError):
    """Features or outputs that belong to another spec or version."""

    exit_code = 6


class OutputError(TsmfeatError):
    """A full disk or another failure to write; finished work is kept."""

    exit_code = 7


def require_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a value that is none of an option's choices.

    Raises
    ------
    ConfigurationError
        Offers the nearest choice.

    Examples
    --------
    >>> require_choice("tail", "drop", ("drop", "extend"))
    """
    if value not in choices:
        listed = ", ".join(choices)
        hint = did_you_mean(value, choices) or f"choose one of {listed}"
        raise ConfigurationError(f"{name} {value!r} is not one of {listed}", hint)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` for the nearest known name, or an empty string.

    Examples
    --------
    >>> did_you_mean("wlak", ["walk", "run"])
    "did you mean 'walk'?"
    >>> did_you_mean("zzz", ["walk", "run"])
    ''
    """
    nearest = get_close_matches(name, list(known), n=1)
    return f"did you mean {nearest[0]!r}?" if nearest else ""
