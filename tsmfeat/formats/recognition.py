"""What a file or folder is, by its content and never by its name alone."""

import json
import re
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from tsmfeat.errors import InputError, did_you_mean
from tsmfeat.files import is_safetensors
from tsmfeat.formats import binego360, generic_csv
from tsmfeat.formats.binego360_bins import all_bins
from tsmfeat.formats.content import GZIP_MAGIC, read_content, require_no_pipe
from tsmfeat.formats.folders import list_files
from tsmfeat.formats.json_files import parse_json
from tsmfeat.formats.numbers import parse_number
from tsmfeat.formats.options import FormatName, Kind
from tsmfeat.formats.tables import read_table
from tsmfeat.formats.thumos14 import annotation_files

_HEAD_BYTES = 1 << 16
_KNOWN = "ActivityNet JSON, BinEgo-360 CSV, generic CSV, THUMOS14 text or a 360+x folder is expected"
_KEY = re.compile(r'[\s,{]*"((?:[^"\\]|\\.)*)"\s*:\s*')
# First bytes of what users name by mistake.
_FOREIGN = (
    (b"\x89HDF\r\n", "an HDF5 file, such as a feature store"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"PK\x03\x04", "a zip archive, such as a PyTorch checkpoint or a spreadsheet"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"RIFF", "an AVI video or a WAV sound"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"%PDF", "a PDF document"),
)


class Recognized(NamedTuple):
    """A format, and what the file holds in it."""

    format_name: FormatName
    kind: Kind


class _TopLevel(msgspec.Struct):
    """The keys that tell JSON files apart, their values skipped."""

    database: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    results: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    metadata: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_KIND_OF_KEY: dict[str, Recognized] = {
    "database": Recognized("activitynet", "annotations"),
    "results": Recognized("activitynet", "predictions"),
    "metadata": Recognized("x360", "annotations"),
}
# Any file may have metadata beside these.
_DECISIVE = ("database", "results")
_CSV_KINDS: tuple[tuple[tuple[str, ...], Recognized], ...] = (
    (generic_csv.PREDICTION_COLUMNS, Recognized("csv", "predictions")),
    (generic_csv.ANNOTATION_COLUMNS, Recognized("csv", "annotations")),
    (binego360.PREDICTION_COLUMNS, Recognized("binego360", "predictions")),
    (binego360.ANNOTATION_COLUMNS, Recognized("binego360", "annotations")),
)


def recognize_format(path: Path | str) -> Recognized:
    r"""Tell the format of a file or folder of annotations or predictions, and which of the two it holds.

    Files may be gzipped. JSON is known by its keys (``database``, ``results``, ``metadata``), tables by the columns of
    their header, THUMOS14 detections by five words a line, folders by the files in them.

    Raises
    ------
    InputError
        Missing, unreadable, empty, or something else; what was found is said.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     _ = Path(folder, "gt.txt").write_text("video_id,label,start,end\n")
    ...     recognize_format(Path(folder, "gt.txt"))
    Recognized(format_name='csv', kind='annotations')
    """
    source = Path(path)
    if source.is_dir():
        return _recognize_folder(source)
    require_no_pipe(source)
    head = _read_head(source)
    if (foreign := _name_foreign(source, head)) is not None:
        raise InputError(f"{source}: {foreign}; {_KNOWN}", "check the path")
    text = head.decode(json.detect_encoding(head), "replace").removeprefix("\ufeff").lstrip()
    if not text:
        read_content(source, "a JSON object or a table")  # says so
    if text[:1] in ("{", "["):
        return _recognize_json(source, text)
    return _recognize_lines(source, text)


def holds_bins(path: Path | str) -> bool:
    r"""Tell whether a file of annotations or predictions is in BinEgo-360's bins of ten seconds.

    Raises
    ------
    InputError
        As `recognize_format`, or a table that cannot be read.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = Path(folder, "gt.csv")
    ...     _ = file.write_text("id,label,Usage\nkitchen_0_10,[],Public\n")
    ...     holds_bins(file)
    True
    """
    source = Path(path)
    if recognize_format(source).format_name != "binego360":
        return False
    return all_bins(read_table(source, ("id",), []).column("id"))


def _read_head(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
        if head.startswith(GZIP_MAGIC):
            return zlib.decompressobj(wbits=31).decompress(head, _HEAD_BYTES)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})", "check the path") from error
    except zlib.error as error:
        raise InputError(f"{path}: damaged gzip ({error})", "copy the file again") from error
    return head


def _name_foreign(path: Path, head: bytes) -> str | None:
    for magic, name in _FOREIGN:
        if head.startswith(magic):
            return name
    if head[4:8] == b"ftyp":
        return "an MP4 or QuickTime video"
    if is_safetensors(path):
        return "a safetensors file, such as heads"
    if b"\0" in head[:4096] and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "binary data, such as a video or a checkpoint"
    return None


def _recognize_json(path: Path, text: str) -> Recognized:
    keys = _keys_of_head(text)
    known = next((key for key in keys if key in _DECISIVE), None) or _key_of_all(path)
    if known is not None:
        return _KIND_OF_KEY[known]
    found = f"JSON with the keys {sorted(keys)[:8]}" if text[:1] == "{" else "a JSON array"
    raise InputError(
        f"{path}: {found}; annotations hold an object 'database' or 'metadata', predictions 'results'",
        did_you_mean(next(iter(keys), ""), _KIND_OF_KEY) or "convert it to one of the known formats first",
    )


def _keys_of_head(text: str) -> list[str]:
    """Return the first keys of a JSON object, up to one that decides or a value that is not whole in the head."""
    decoder = json.JSONDecoder()
    keys: list[str] = []
    at = 0
    while match := _KEY.match(text, at):
        keys.append(match[1])
        if match[1] in _DECISIVE:
            break
        try:
            _, at = decoder.raw_decode(text, match.end())
        except (ValueError, RecursionError):
            break
    return keys


def _key_of_all(path: Path) -> str | None:
    content = read_content(path, "a JSON object")
    try:
        found = msgspec.json.decode(content, type=_TopLevel)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        value, _ = parse_json(path, content)
        return next((key for key in _KIND_OF_KEY if isinstance(value, dict) and key in value), None)
    return next((key for key in _KIND_OF_KEY if getattr(found, key) is not msgspec.UNSET), None)


def _recognize_lines(path: Path, text: str) -> Recognized:
    first = text.splitlines()[0]
    names = {name.strip().strip('"') for name in first.split(",")}
    for columns, recognized in _CSV_KINDS:
        if names.issuperset(columns):
            return recognized
    words = first.split()
    numeric = [parse_number(word) is not None for word in words[1:]]
    if len(words) == 5 and all(numeric):
        return Recognized("thumos14", "predictions")
    if len(words) == 3 and all(numeric):
        raise InputError(
            f"{path}: one class of THUMOS14 annotations; they are read a folder at a time", f"pass {path.parent}"
        )
    raise InputError(
        f"{path}: the first line is {first[:80]!r}; {_KNOWN}, tables with a header such as "
        f"{','.join(generic_csv.PREDICTION_COLUMNS)}",
        _nearest_column(names),
    )


def _nearest_column(names: set[str]) -> str:
    columns = [name for known, _ in _CSV_KINDS for name in known]
    hints = [did_you_mean(name, columns) for name in sorted(names - set(columns)) if len(names) > 1]
    return next(filter(None, hints), "name the columns in the first line, divided by commas")


def _hold_annotation_lines(files: Iterable[Path]) -> bool:
    """Tell whether the first line in any of the files is one of THUMOS14 annotations."""
    heads = (_read_head(path).decode(errors="replace").lstrip() for path in files)
    first = next((text.splitlines()[0] for text in heads if text), "")
    words = first.split()
    return len(words) == 3 and all(parse_number(word) is not None for word in words[1:])


def _recognize_folder(folder: Path) -> Recognized:
    if _hold_annotation_lines(annotation_files(folder)):
        return Recognized("thumos14", "annotations")
    files = list_files(folder, ".json")
    if files and recognize_format(files[0]).format_name == "x360":
        return Recognized("x360", "annotations")
    if list_files(folder, ".h5"):
        raise InputError(f"{folder}: a folder of feature stores; {_KNOWN}", "check the path")
    found = "a folder of other JSON files" if files else "a folder without annotation files"
    raise InputError(
        f"{folder}: {found}; annotation folders hold <Class>_test.txt files (THUMOS14) or a .json a video (360+x)",
        f"pass a file, such as {files[0]}" if files else "check the path",
    )
