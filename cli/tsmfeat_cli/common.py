"""Options every command takes, and reading their values."""

import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from tsmfeat.errors import ConfigurationError, did_you_mean
from tsmfeat_cli.failures import DEBUG


def _remember_debug(ctx: typer.Context, wanted: bool) -> bool:
    ctx.find_root().meta[DEBUG] = wanted
    return wanted


def _load_config(ctx: typer.Context, path: Path | None) -> Path | None:
    """Give the file's table for this command as defaults: options and environment variables still win."""
    if path is None:
        return None
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path}: not a readable TOML file ({error})", "check --config") from error
    table = tables.get(str(ctx.info_name), {})
    known = {name for param in ctx.command.params for name in _config_names(param)}
    for key in table:
        if key.replace("-", "_") not in known:
            hint = did_you_mean(key, sorted(known)) or f"known are {', '.join(sorted(known))}"
            raise ConfigurationError(f"{path}: [{ctx.info_name}] has an unknown option {key!r}", hint)
    ctx.default_map = {_parameter_of(ctx, key): value for key, value in table.items()}
    return path


def _config_names(param: Any) -> set[str]:  # noqa: ANN401 - typer's parameter classes are private
    return {option.lstrip("-").replace("-", "_") for option in param.opts}


def _parameter_of(ctx: typer.Context, key: str) -> str:
    wanted = key.replace("-", "_")
    return next(str(param.name) for param in ctx.command.params if wanted in _config_names(param))


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes; warnings stay.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")]
Debug = Annotated[bool, typer.Option("--debug", callback=_remember_debug, help="Show the traceback of an error.")]
Config = Annotated[
    Path | None,
    typer.Option("--config", callback=_load_config, is_eager=True, help="TOML file, one table a command, as defaults."),
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
