"""The text of `--search`: options and the values to try."""

from tsmfeat.errors import ConfigurationError, did_you_mean
from tsmfeat.workflows.tuning_settings import GAMMA, NAMES, WEIGHTS, Value, kind_of

_EXAMPLE = "for example --search 'smooth=none,mean:9;max-gap=0,1,2'"


def parse_search(text: str) -> dict[str, tuple[Value, ...]]:
    """Return the values to try by option.

    Parameters
    ----------
    text
        Options with their values after ``=``, separated by commas; options are separated by ``;``. Weights are
        ``equal`` or numbers with ``/`` between them.

    Raises
    ------
    ConfigurationError
        An option that is not known or named twice, or a value of another kind.

    Examples
    --------
    >>> parse_search("smooth=none,mean:9; max-gap=0,1; weights=equal,0.6/0.4")
    {'smooth': ('none', 'mean:9'), 'max-gap': (0, 1), 'weights': ((), (0.6, 0.4))}
    """
    found: dict[str, tuple[Value, ...]] = {}
    for part in text.split(";"):
        if not part.strip():
            continue
        name, is_given, words = (word.strip() for word in part.partition("="))
        name = name.lstrip("-").replace("_", "-")
        if name not in NAMES:
            raise ConfigurationError(
                f"--search {part.strip()!r}: no option that can be searched",
                did_you_mean(name, NAMES) or f"known are {', '.join(NAMES)}",
            )
        if not is_given or not words or name in found:
            raise ConfigurationError(f"--search {part.strip()!r}: each option has its values, once", _EXAMPLE)
        found[name] = tuple(_parse_value(name, word.strip()) for word in words.split(","))
    if not found:
        raise ConfigurationError(f"--search {text!r}: names no option", _EXAMPLE)
    return found


def _parse_value(name: str, word: str) -> Value:
    if (name, word) == ("fusion-tiou", "none"):
        # A TOML file has no word for it, and the command line none either: the default would stand in.
        raise ConfigurationError(
            "--search fusion-tiou=none: no command can be told so", "search union=none, or fusion-tiou=1 for wbf"
        )
    try:
        if name == WEIGHTS:
            return () if word == "equal" else tuple(float(part) for part in word.split("/"))
        if name == GAMMA:
            return float(word)
        return _parse_kind(kind_of(name), word)
    except ValueError:
        raise ConfigurationError(f"--search {name}={word}: not a value of this option", _EXAMPLE) from None


def _parse_kind(kind: str, word: str) -> Value:
    if kind == "str":
        return word
    if "None" in kind and word == "none":
        return None
    if kind == "bool":
        if word not in ("on", "off"):
            raise ValueError(word)
        return word == "on"
    if "tuple" in kind and "/" in word:
        return tuple(float(part) for part in word.split("/"))
    return int(word) if kind.startswith("int") else float(word)
