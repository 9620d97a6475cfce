"""Class lists: the names of classes, and the ids that some formats have in their place."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tsmfeat.errors import InputError
from tsmfeat.formats.content import read_text
from tsmfeat.formats.json_files import parse_json
from tsmfeat.formats.numbers import parse_whole
from tsmfeat.formats.row_checks import list_bad_text, refuse_problems
from tsmfeat.values.vocabulary import Vocabulary

_NUMBERED = re.compile(r"(\d{1,9})[ \t,:]+(\S.*)", re.ASCII)


@dataclass(frozen=True)
class ClassList:
    """Names in order, each with the id that files have for it.

    Parameters
    ----------
    vocabulary
        The names, in the order of the list.
    ids
        The id of each; by default 1..C.

    Examples
    --------
    >>> actions = ClassList(Vocabulary(("walk", "run")))
    >>> actions.name_of(2), actions.name_of(9), actions.id_of("walk"), actions.id_of("9")
    ('run', '9', 1, 9)
    """

    vocabulary: Vocabulary
    ids: tuple[int, ...] = ()
    _names: dict[int, str] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Give each name its id."""
        ids = self.ids or tuple(range(1, len(self.vocabulary) + 1))
        object.__setattr__(self, "ids", ids)
        self._names.update(zip(ids, self.vocabulary.names, strict=True))

    def __contains__(self, class_id: int) -> bool:
        """Tell whether an id has a name."""
        return class_id in self._names

    def name_of(self, class_id: int) -> str:
        """Return the name of an id; where the list lacks it, the id as a text."""
        return self._names.get(class_id, str(class_id))

    def id_of(self, name: str) -> int:
        """Return the id of a name; a whole number that is no name stands for itself.

        Raises
        ------
        InputError
            The list lacks the name; the nearest one is offered.
        """
        if name not in self.vocabulary and (number := parse_whole(name)) is not None:
            return number
        if not len(self.vocabulary):
            raise InputError(
                f"class {name!r} has no id; this format holds ids", "give the list of names: --classes FILE"
            )
        return self.ids[self.vocabulary.id_of(name)]


def read_classes(path: Path | str) -> ClassList:
    """Read a list of class names.

    Four spellings are known: one name a line, their ids being 1, 2, ...; ``ID NAME`` a line, where every line begins
    with a number; a JSON list of names, their ids being 1, 2, ...; and a JSON object, ids to names or names to ids.
    Blank lines count for nothing. Where ids are given, the classes are in their order.

    Raises
    ------
    InputError
        Unreadable, no such list, no names at all, or a name or an id that occurs twice.
    """
    source = Path(path)
    text = read_text(source, "a list of class names")
    problems: list[str] = []
    pairs = _from_json(source, text, problems) if text.lstrip()[:1] in ("[", "{") else _from_lines(text)
    for what, values in (("id", [key for key, _ in pairs]), ("class name", [name for _, name in pairs])):
        problems += [f"{what} {value!r} occurs twice; each stands for one class" for value in _repeated(values)]
    for class_id, name in pairs:
        list_bad_text(name, f"class {class_id}", problems)
    if any(not name for _, name in pairs):
        problems.append("a class without a name; a name is a text")
    if not pairs and not problems:
        problems.append("no class in it; a list of names is expected")
    refuse_problems(source, problems)
    return ClassList(Vocabulary(tuple(name for _, name in pairs)), tuple(key for key, _ in pairs))


def as_class_list(classes: ClassList | Vocabulary | Path | str | None) -> ClassList | None:
    """Return a class list from a file of one, from a vocabulary, or from nothing.

    Examples
    --------
    >>> as_class_list(Vocabulary(("walk",))).ids
    (1,)
    """
    if classes is None or isinstance(classes, ClassList):
        return classes
    return ClassList(classes) if isinstance(classes, Vocabulary) else read_classes(classes)


def _from_lines(text: str) -> list[tuple[int, str]]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    numbered = [_NUMBERED.fullmatch(line) for line in lines]
    if all(numbered):
        return sorted((int(match[1]), match[2]) for match in numbered if match)
    return list(enumerate(lines, 1))


def _from_json(path: Path, text: str, problems: list[str]) -> list[tuple[int, str]]:
    value, repeated = parse_json(path, text.encode())
    problems += [f"key {key!r} occurs twice in one object" for key in repeated]
    if isinstance(value, list):
        pairs: list[tuple[Any, Any]] = list(enumerate(value, 1))
    else:
        pairs = _numbered_pairs(value)
    bad = [pair for pair in pairs if not _is_pair(*pair)]
    problems += [
        f"{json.dumps(name)} with id {json.dumps(key)}; a class is a text with a whole number >= 0" for key, name in bad
    ]
    return sorted(pair for pair in pairs if _is_pair(*pair))


def _numbered_pairs(value: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """Return (id, name) of an object that has ids or names as its keys."""
    if value and all(isinstance(found, int) for found in value.values()):
        return [(found, key) for key, found in value.items()]
    return [(key if (number := parse_whole(key)) is None else number, found) for key, found in value.items()]


def _is_pair(key: object, name: object) -> bool:
    return isinstance(key, int) and not isinstance(key, bool) and key >= 0 and isinstance(name, str)


def _repeated(values: list[Any]) -> list[Any]:
    seen: set[Any] = set()
    return [value for value in values if value in seen or seen.add(value)]  # type: ignore[func-returns-value]
