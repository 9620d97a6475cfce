"""Options every command takes, and reading their values."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from tsmfeat.errors import ConfigurationError, did_you_mean
from tsmfeat_cli.config import load_config
from tsmfeat_cli.failures import DEBUG


def _remember_debug(ctx: typer.Context, wanted: bool) -> bool:
    ctx.find_root().meta[DEBUG] = wanted
    return wanted


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes; warnings stay.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")]
Debug = Annotated[
    bool, typer.Option("--debug", callback=_remember_debug, is_eager=True, help="Show the traceback of an error.")
]
Config = Annotated[
    Path | None,
    typer.Option("--config", callback=load_config, is_eager=True, help="TOML file, one table a command, as defaults."),
]


def parse_numbers(text: str, option: str) -> tuple[float, ...]:
    """Return the numbers of a comma list.

    Raises
    ------
    ConfigurationError
        Names the entry that is not a number.

    Examples
    --------
    >>> parse_numbers("0.5,0.75", "--tiou")
    (0.5, 0.75)
    """
    try:
        return tuple(float(word) for word in text.split(","))
    except ValueError:
        raise ConfigurationError(
            f"{option} {text!r}: not a comma list of numbers", f"for example {option} 0.5,0.75"
        ) from None


def require_choice(value: str, choices: tuple[str, ...], option: str) -> str:
    """Return a value that is among the choices, or refuse it with the nearest one."""
    if value not in choices:
        hint = did_you_mean(value, choices) or f"choose one of {', '.join(choices)}"
        raise ConfigurationError(f"{option} {value!r}: unknown", hint)
    return value


def parse_words(text: str, option: str) -> tuple[str, ...]:
    """Return the words of a comma list.

    Raises
    ------
    ConfigurationError
        One of them is empty.

    Examples
    --------
    >>> parse_words("resnet18, resnet50", "--trunk")
    ('resnet18', 'resnet50')
    """
    words = tuple(word.strip() for word in text.split(","))
    if not all(words):
        raise ConfigurationError(f"{option} {text!r}: a comma list with an empty place", f"use {option} a,b")
    return words


def parse_wholes(text: str, option: str) -> tuple[int, ...]:
    """Return the whole numbers of a comma list.

    Examples
    --------
    >>> parse_wholes("8,16", "--num-frames")
    (8, 16)
    """
    words = parse_words(text, option)
    for word in words:
        if not (word.isascii() and word.isdecimal()):
            raise ConfigurationError(f"{option} {word!r}: not a whole number", f"use for example {option} 8")
    return tuple(int(word) for word in words)


def parse_whole_or_auto(text: str, option: str) -> int | None:
    """Return a whole number, or None for ``auto``.

    Examples
    --------
    >>> parse_whole_or_auto("auto", "--workers"), parse_whole_or_auto("3", "--workers")
    (None, 3)
    """
    if text == "auto":
        return None
    if not (text.isascii() and text.isdecimal()):
        raise ConfigurationError(f"{option} {text!r}: neither auto nor a whole number", f"use {option} auto")
    return int(text)


def parse_number_or_word(text: str, word: str, option: str) -> float | str:
    """Return a number, or the one word that may stand in its place.

    Examples
    --------
    >>> parse_number_or_word("balanced", "balanced", "--w"), parse_number_or_word("0.5", "balanced", "--w")
    ('balanced', 0.5)
    """
    if text == word:
        return text
    try:
        return float(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{option} {text!r}: one number, or {word}", f"use for example {option} 0.5"
        ) from error


def parse_switch(text: str, option: str) -> bool:
    """Return whether a switch is on.

    Examples
    --------
    >>> parse_switch("on", "--standardize")
    True
    """
    return require_choice(text, ("on", "off"), option) == "on"


def command_line(*words: object) -> str:
    """Return a command of ours as a shell reads it.

    Examples
    --------
    >>> command_line("score", "my heads.safetensors")
    "tsmfeat score 'my heads.safetensors'"
    """
    return shlex.join(["tsmfeat", *map(str, words)])
