"""Long lists of keys in a message: the first few, then a count."""

from collections.abc import Sequence

_SHOWN = 3
_LONGEST = 80


def listed(names: Sequence[str]) -> str:
    """Return the first names and the number of the others.

    Examples
    --------
    >>> listed(["a", "b", "c", "d", "e"]), listed([])
    ('a, b, c and 2 more', 'nothing')
    """
    if not names:
        return "nothing"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(printable, names[:_SHOWN])) + more


def printable(name: str) -> str:
    """Return a name as one short line: what a file calls its values can be anything.

    Examples
    --------
    >>> printable("conv1.weight"), printable("conv1" + chr(10))[:6]
    ('conv1.weight', "'conv1")
    """
    if name.isprintable() and len(name) <= _LONGEST:
        return name
    return ascii(name[:_LONGEST])
