"""`--config FILE`: a TOML file whose tables, one a command, stand in for the defaults."""

import tomllib
from pathlib import Path
from typing import Any

import typer

from tsmfeat.errors import ConfigurationError, did_you_mean
from tsmfeat_cli.lazy import COMMANDS


def load_config(ctx: typer.Context, path: Path | None) -> Path | None:
    """Give the file's table for this command as defaults: options and environment variables still win.

    Raises
    ------
    ConfigurationError
        Not readable, not TOML, a table or an option that does not exist, or a text that no command line can hold.
    """
    if path is not None:
        table = _read_tables(path).get(str(ctx.info_name), {})
        params = {name: param for param in ctx.command.params for name in _names_of(param)}
        ctx.default_map = {}
        for key, value in table.items():
            param = _find(key, params, f"{path}: [{ctx.info_name}] has an unknown option")
            typed = ctx.default_map[param.name] = _as_typed(value, param)
            _require_typeable(typed, f"{path}: [{ctx.info_name}] {key}")
    return path


def _read_tables(path: Path) -> dict[str, dict[str, Any]]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{path}: not a readable TOML file ({error})", "check --config") from error
    for name, table in tables.items():
        _find(name, {command: None for command in COMMANDS}, f"{path}: there is no command")
        if not isinstance(table, dict):
            raise ConfigurationError(f"{path}: {name} is not a table", f"write [{name}] on a line of its own")
    return tables


def _find(key: str, known: dict[str, Any], complaint: str) -> Any:  # noqa: ANN401 - whatever `known` holds
    if key not in known:
        hint = did_you_mean(key, known) or f"known are {', '.join(known)}"
        raise ConfigurationError(f"{complaint} {key!r}", hint)
    return known[key]


def _names_of(param: Any) -> set[str]:  # noqa: ANN401 - typer's parameter classes are private
    """Return an option's names without dashes in front, with dashes and with underscores inside."""
    bare = [option.lstrip("-") for option in param.opts if len(option.lstrip("-")) > 1]
    return {*bare, *(name.replace("-", "_") for name in bare)}


def _as_typed(value: Any, param: Any) -> Any:  # noqa: ANN401
    """Return a value as it would be typed: on the command line, lists and switches are words."""
    several = getattr(param, "multiple", False) or param.nargs != 1
    if isinstance(value, list) and not several:
        return ",".join(str(item) for item in value)
    if several and isinstance(value, dict):
        return [f"{name}={item}" for name, item in value.items()]
    if several and not isinstance(value, list):
        return [value]
    if isinstance(value, bool) and not getattr(param, "is_flag", False):
        return switch_word(value)
    return value


def _require_typeable(value: Any, place: str) -> None:  # noqa: ANN401
    """Refuse the character that ends texts of the system: no path and no option can hold it."""
    if any("\0" in str(part) for part in (value if isinstance(value, list) else [value])):
        raise ConfigurationError(f"{place}: a text with the character U+0000", "leave it out")


def switch_word(value: bool) -> str:
    """Return the word of a switch.

    Examples
    --------
    >>> switch_word(True), switch_word(False)
    ('on', 'off')
    """
    return "on" if value else "off"
