"""A pickle reader that runs nothing: it makes what is in `tsmfeat.trunk.inert`, whatever a pickle asks for."""

import pickle
from collections.abc import Callable
from typing import IO, Any, ClassVar, NoReturn

from tsmfeat.trunk.inert import KNOWN, Inert, StorageType, StoredNumbers, require_plain_key

# Never in a torch file; some make the reader allocate before it reads, some look objects up elsewhere.
_REFUSED_OPCODES = (
    pickle.BYTEARRAY8,
    pickle.NEXT_BUFFER,
    pickle.READONLY_BUFFER,
    pickle.EXT1,
    pickle.EXT2,
    pickle.EXT4,
    pickle.PERSID,
)
# A training file names some dozen classes, and its pickle holds a few megabytes beside the tensors.
_MOST_CLASSES = 1000
_MOST_BYTES = 64 << 20


class InertUnpickler(pickle._Unpickler):
    """The standard library's unpickler in Python (its twin in C sizes its memo by what the file says), made inert.

    Whatever name a pickle asks for, it gets one of the few functions of this module, or a subclass of `Inert`. No
    module is imported, no class of another library is made, no function of another library is called.
    """

    # The parts of the machine that the methods below work on.
    stack: list[Any]
    append: Callable[[object], None]
    pop_mark: Callable[[], list[Any]]
    dispatch: ClassVar[dict[int, Callable[..., None]]] = {**pickle._Unpickler.dispatch}

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(_BoundedReader(stream), encoding="latin1")
        self._stubs: dict[str, type[Inert]] = {}
        self.storages: dict[str, StoredNumbers] = {}

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 - a stand-in for anything
        """Return what a name stands for: a function of ours, a storage's type, or nothing."""
        known = KNOWN.get((module, name))
        if known is not None:
            return known
        full = f"{module}.{name}"
        if full not in self._stubs:
            if len(self._stubs) == _MOST_CLASSES:
                raise pickle.UnpicklingError(f"more than {_MOST_CLASSES} classes")
            self._stubs[full] = type("Inert", (Inert,), {"asked_for": full})
        return self._stubs[full]

    def persistent_load(self, pid: Any) -> Any:  # noqa: ANN401 - what a pickle holds
        """Return the record of a storage, and the stand-in of a class that an old file keeps with its source."""
        match pid:
            case ("storage", StorageType() as kind, str() as key, _, int() as count, *views) if views in ([], [None]):
                return self.storages.setdefault(key, StoredNumbers(key, kind.dtype, count))
            case ("storage", *_):
                return Inert()
            case ("module", type() as kind, *_):
                return kind
        raise pickle.UnpicklingError("a reference to something that is no storage")

    def load_setitem(self) -> None:
        """Set one item of a mapping."""
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def load_setitems(self) -> None:
        """Set items of a mapping."""
        self._set_items(self.pop_mark())

    def load_dict(self) -> None:
        """Make a mapping of items."""
        items = self.pop_mark()
        self.append({})
        self._set_items(items)

    def _set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Inert):
            return
        if not isinstance(target, dict):
            raise pickle.UnpicklingError("items for something that is no mapping")
        for key, value in zip(items[::2], items[1::2], strict=True):
            require_plain_key(key)
            target[key] = value

    def load_additems(self) -> None:
        """Drop a set's items: no tensor is in a set."""
        self.pop_mark()

    def load_frozenset(self) -> None:
        """Make an empty set: no tensor is in a set."""
        self.pop_mark()
        self.append(frozenset())

    def _refuse_opcode(self) -> NoReturn:
        raise pickle.UnpicklingError("an instruction that no checkpoint holds")

    dispatch[pickle.SETITEM[0]] = load_setitem
    dispatch[pickle.SETITEMS[0]] = load_setitems
    dispatch[pickle.DICT[0]] = load_dict
    dispatch[pickle.ADDITEMS[0]] = load_additems
    dispatch[pickle.FROZENSET[0]] = load_frozenset
    for _opcode in _REFUSED_OPCODES:
        dispatch[_opcode[0]] = _refuse_opcode
    del _opcode


class _BoundedReader:
    """The stream of a pickle, which must be small: a byte of it can cost a hundred bytes of memory."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._left = _MOST_BYTES

    def read(self, count: int) -> bytes:
        """Read that many bytes, or fewer at the end."""
        self._spend(count)
        return self._stream.read(count)

    def readline(self) -> bytes:
        """Read a line."""
        line = self._stream.readline(self._left + 1)
        self._spend(len(line))
        return line

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise pickle.UnpicklingError(f"more than {_MOST_BYTES >> 20} MiB beside the tensors")
