"""What an inert pickle reader makes: records of where a tensor's numbers lie, and nothing for all other objects."""

import pickle
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

# The types of torch's storages, by their names in a pickle, and the types of their numbers.
STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
_MOST_DIMENSIONS = 8


class Inert:
    """What is left of an object that a pickle asks for: the name of its class."""

    # Each name gets a subclass of its own, because a pickle may only make new instances of types.
    asked_for = ""

    def __new__(cls, *_: object, **__: object) -> "Inert":
        """Make nothing of any arguments."""
        return object.__new__(cls)

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        """Take no state."""

    def __setitem__(self, key: object, value: object) -> None:
        """Take no items."""

    def append(self, value: object) -> None:
        """Take no items."""

    def extend(self, values: object) -> None:
        """Take no items."""

    def add(self, value: object) -> None:
        """Take no items."""


class StateMapping(dict[Any, Any]):
    """An ``OrderedDict`` of a pickle, without the attributes it may bring."""

    def __init__(self, pairs: Iterable[Any] = ()) -> None:
        super().__init__()
        for key, value in pairs:
            require_plain_key(key)
            self[key] = value

    def __setstate__(self, state: object) -> None:
        """Take no attributes, such as a state dict's ``_metadata``."""


@dataclass(frozen=True)
class StoredNumbers:
    """Where a file keeps the numbers of a storage.

    Parameters
    ----------
    key
        Its name in the file.
    dtype
        Name of torch's type of its numbers.
    count
        Numbers, as the pickle states them.
    """

    key: str
    dtype: str
    count: int

    def __setstate__(self, state: object) -> None:
        """Stay as made."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor as a view of stored numbers, none of which has been read."""

    numbers: StoredNumbers
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    def __setstate__(self, state: object) -> None:
        """Stay as made."""


def require_plain_key(key: object) -> None:
    """Refuse keys whose hash would run deep: a tuple in a tuple in a tuple … ends the process."""
    flat = key if isinstance(key, tuple) else (key,)
    if not all(isinstance(part, str | int | float | bytes | Inert | None) for part in flat):
        raise pickle.UnpicklingError(f"a mapping's key of type {type(key).__name__}")


class StorageType(Inert):
    """Type of a storage, as a pickle names it."""

    def __new__(cls, dtype: str = "") -> "StorageType":
        """Remember the type of its numbers."""
        made: StorageType = object.__new__(cls)
        made.dtype = dtype
        return made

    dtype: str


class _Rebuild:
    """A function that rebuilds something; frozen, so that a pickle can only call it."""

    __slots__ = ("_function",)
    _function: Callable[..., Any]

    def __init__(self, function: Callable[..., Any]) -> None:
        object.__setattr__(self, "_function", function)

    def __call__(self, *arguments: object) -> Any:  # noqa: ANN401 - what the function returns
        """Call the function."""
        return self._function(*arguments)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise pickle.UnpicklingError("a function has no attributes to set")

    def __setstate__(self, state: object) -> None:
        """Stay as made."""


def _tensor(numbers: object, offset: object, size: object, stride: object, *_: object) -> StoredTensor | Inert:
    if isinstance(numbers, Inert):
        return Inert()
    counts = (offset, *_sizes(size), *_sizes(stride))
    if not isinstance(numbers, StoredNumbers) or not all(type(n) is int and 0 <= n < 1 << 62 for n in counts):
        raise pickle.UnpicklingError("a tensor of something else than stored numbers and sizes")
    return StoredTensor(numbers, counts[0], tuple(_sizes(size)), tuple(_sizes(stride)))


def _sizes(value: object) -> tuple[Any, ...]:
    if not isinstance(value, tuple) or len(value) > _MOST_DIMENSIONS:
        raise pickle.UnpicklingError("a tensor's size that is no short tuple")
    return value


def _parameter(data: object, *_: object) -> object:
    return data


KNOWN: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): StateMapping,
    ("torch._utils", "_rebuild_tensor"): _Rebuild(_tensor),
    ("torch._utils", "_rebuild_tensor_v2"): _Rebuild(_tensor),
    ("torch._utils", "_rebuild_parameter"): _Rebuild(_parameter),
    ("torch._utils", "_rebuild_parameter_with_state"): _Rebuild(_parameter),
    **{("torch", name): StorageType(dtype) for name, dtype in STORAGES.items()},
}
