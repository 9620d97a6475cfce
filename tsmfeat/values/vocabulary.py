"""Names and ids of labels; background is implicit and last."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError, SpecMismatchError, did_you_mean


@dataclass(frozen=True)
class Vocabulary:
    """Ordered unique names; the id of a name is its place.

    Raises
    ------
    InputError
        A name is empty, not a text, or occurs twice.

    Examples
    --------
    >>> actions = Vocabulary(("walk", "run"))
    >>> actions.id_of("run"), actions.background, len(actions)
    (1, 2, 2)
    """

    names: tuple[str, ...]
    _ids: dict[str, int] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Check the names and number them."""
        object.__setattr__(self, "names", tuple(self.names))
        for index, name in enumerate(self.names):
            if not isinstance(name, str) or not name:
                raise InputError(f"class {index} is {name!r}; a class name is a non-empty text", "name it")
            if name in self._ids:
                raise InputError(f"class name {name!r} occurs twice; names are unique", "remove or rename one of them")
            self._ids[name] = index

    def __len__(self) -> int:
        """Return the number of names, background not counted."""
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        """Tell whether a name is known."""
        return name in self._ids

    @property
    def background(self) -> int:
        """The id of background: one past the last name."""
        return len(self.names)

    def id_of(self, name: str) -> int:
        """Return a name's id.

        Raises
        ------
        InputError
            The name is unknown; the nearest known name is offered.
        """
        try:
            return self._ids[name]
        except KeyError:
            hint = did_you_mean(name, self.names) or f"known are {', '.join(self.names[:10]) or 'none'}"
            raise InputError(f"unknown class {name!r}; it is not among the {len(self)} known names", hint) from None

    def ids_of(self, names: Iterable[str], unknown: int | None = None) -> npt.NDArray[np.int32]:
        """Return the ids of many names as int32; with `unknown` given, that id stands for unknown names."""
        if unknown is None:
            return np.fromiter((self.id_of(name) for name in names), np.int32)
        return np.fromiter((self._ids.get(name, unknown) for name in names), np.int32)


def require_same_names(ours: Vocabulary, theirs: Vocabulary, our_place: str, their_place: str) -> None:
    """Refuse two vocabularies that differ, naming the entries that do.

    Raises
    ------
    SpecMismatchError
        The names or their order differ.

    Examples
    --------
    >>> require_same_names(Vocabulary(("a",)), Vocabulary(("a",)), "heads", "annotations")
    """
    if ours.names == theirs.names:
        return
    only_ours = [name for name in ours.names if name not in theirs]
    only_theirs = [name for name in theirs.names if name not in ours]
    detail = "the same names in another order"
    if only_ours or only_theirs:
        detail = f"only in {our_place}: {only_ours[:5] or 'none'}; only in {their_place}: {only_theirs[:5] or 'none'}"
    raise SpecMismatchError(
        f"the classes of {our_place} ({len(ours)}) and of {their_place} ({len(theirs)}) differ: {detail}",
        "use files made for the same classes, or give one list to both with --classes",
    )
