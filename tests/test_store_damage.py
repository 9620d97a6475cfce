"""Hostile and damaged files: each is refused quickly, with one error, and wrong data is never handed out."""

import hashlib
import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from factories_store import make_spec, make_videos, write_parts
from naive_store import SPEC, write_naive_store

HERE = Path(__file__).parent
Edit = Callable[[dict[str, Any]], object]
Spoil = Callable[[h5py.File], object]


def open_in_child(folder: Path) -> dict[str, Any]:
    """Open every file of a folder in a process of its own that may use 3 GB."""
    command = [sys.executable, str(HERE / "open_hostile_stores.py"), str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def array(name: str, values: Any, dtype: str | None = None) -> Edit:
    """Put other values into an index array."""

    def edit(content: dict[str, Any]) -> None:
        content["arrays"][name] = np.array(values, dtype or content["arrays"][name].dtype)

    return edit


def ids(*encoded: bytes) -> Edit:
    """Put other ids into the index, as raw bytes."""

    def edit(content: dict[str, Any]) -> None:
        array("video_id_bytes", np.frombuffer(b"".join(encoded), np.uint8))(content)
        array("video_id_offset", np.cumsum([0, *map(len, encoded)]))(content)

    return edit


def attribute(name: str, value: Any) -> Edit:
    """Put another value into an attribute."""
    return lambda content: content["attrs"].update({name: value})


def drop_attribute(name: str) -> Edit:
    return lambda content: content["attrs"].pop(name)


def spec_text(text: str) -> Edit:
    """Put another spec into the file, with the digest that fits it."""

    def edit(content: dict[str, Any]) -> None:
        content["attrs"] |= {"spec": text, "spec_sha256": hashlib.sha256(text.encode()).hexdigest()}

    return edit


def replaced(name: str, make: Callable[[h5py.File], object]) -> Spoil:
    """Replace a dataset of a finished file."""

    def spoil(file: h5py.File) -> None:
        del file[name]
        make(file)

    return spoil


def dataset(name: str, **options: Any) -> Spoil:
    return replaced(name, lambda file: file.create_dataset(name, **options))


def link(name: str, target: Any) -> Spoil:
    return replaced(name, lambda file: file.__setitem__(name, target))


def claim_without_bytes(file: h5py.File) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_alloc_time(h5py.h5d.ALLOC_TIME_LATE)
    h5py.h5d.create(file.id, b"embeddings", h5py.h5t.IEEE_F16LE, h5py.h5s.create_simple((10**9, 4)), plist)


def compact(file: h5py.File) -> None:
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    h5py.h5d.create(file.id, b"embeddings", h5py.h5t.IEEE_F16LE, h5py.h5s.create_simple((5, 4)), plist)


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((5, 4), "<f2")
    layout[:] = h5py.VirtualSource("missing.h5", "embeddings", (5, 4))
    file.create_virtual_dataset("embeddings", layout)


def group(file: h5py.File) -> None:
    file.create_group("embeddings")


def scalar(file: h5py.File) -> None:
    file.create_dataset("embeddings", data=np.float16(1))


def nothing(file: h5py.File) -> None:
    file.create_dataset("embeddings", dtype="<f2", data=h5py.Empty("<f2"))


def text_of_any_length(file: h5py.File) -> None:
    file.attrs["created"] = "x"


def wrong_crc(file: h5py.File) -> None:
    file.attrs["index_crc32"] = np.uint32(file.attrs["index_crc32"] ^ 1)


SECRET = "/etc/passwd"
# name: (what is put into the content, what is done to the file, words of the error)
HOSTILE: dict[str, tuple[Edit | None, Spoil | None, str]] = {
    "a shape of 1e15 rows": (
        None,
        dataset("embeddings", shape=(10**15, 4), dtype="<f2", chunks=(64, 4)),
        "'embeddings' is chunked",
    ),
    "a billion rows without bytes": (None, replaced("embeddings", claim_without_bytes), "are not in the file"),
    "a gzip bomb": (
        None,
        dataset("embeddings", data=np.zeros((10**6, 4), "<f2"), compression="gzip", chunks=(10**6, 4)),
        "'embeddings' is chunked",
    ),
    "checksummed chunks": (
        None,
        dataset("embeddings", data=np.zeros((5, 4), "<f2"), fletcher32=True, chunks=(5, 4)),
        "'embeddings' is chunked",
    ),
    "compact storage": (None, replaced("embeddings", compact), "compact"),
    "a link to another file": (None, link("embeddings", h5py.ExternalLink("other.h5", "/embeddings")), "hard links"),
    "a linked index array": (None, link("status", h5py.ExternalLink("other.h5", "/status")), "'status' is a soft or"),
    "a soft link": (None, link("embeddings", h5py.SoftLink("/status")), "hard links only"),
    "a loop of soft links": (None, link("embeddings", h5py.SoftLink("/embeddings")), "hard links only"),
    "bytes of another file": (
        None,
        dataset("embeddings", shape=(5, 4), dtype="<f2", external=[(SECRET, 0, 40)]),
        "keeps its bytes in another file",
    ),
    "index bytes of another file": (
        None,
        dataset("video_id_bytes", shape=(4,), dtype="u1", external=[(SECRET, 0, 4)]),
        "keeps its bytes in another file",
    ),
    "a virtual dataset": (None, replaced("embeddings", virtual), "virtual"),
    "a group instead of rows": (None, replaced("embeddings", group), "'embeddings' is not a dataset"),
    "no rows": (None, replaced("embeddings", lambda _: None), "'embeddings' is missing"),
    "a scalar instead of rows": (None, replaced("embeddings", scalar), "has not 2 axes"),
    "an empty space instead of rows": (None, replaced("embeddings", nothing), "has not 2 axes"),
    "rows of three axes": (None, dataset("embeddings", data=np.zeros((5, 4, 1), "<f2")), "has not 2 axes"),
    "rows of float32": (None, dataset("embeddings", data=np.zeros((5, 4), "<f4")), "not of type <f2"),
    "rows of big-endian numbers": (None, dataset("embeddings", data=np.zeros((5, 4), ">f2")), "not of type <f2"),
    "rows of objects": (
        None,
        dataset("embeddings", shape=(5, 4), dtype=h5py.vlen_dtype(np.float16)),
        "not of type <f2",
    ),
    "too few rows": (None, dataset("embeddings", data=np.zeros((4, 4), "<f2")), "index and spec say (5, 4)"),
    "rows of another size": (None, dataset("embeddings", data=np.zeros((5, 3), "<f2")), "index and spec say (5, 4)"),
    "ids of variable length": (
        None,
        dataset("video_id_bytes", data=np.array(["a", "b"], object), dtype=h5py.string_dtype()),
        "'video_id_bytes' is not of type |u1",
    ),
    "references": (None, dataset("status", shape=(2,), dtype=h5py.ref_dtype), "'status' is not of type |u1"),
    "an enumeration": (
        None,
        dataset("status", shape=(2,), dtype=h5py.enum_dtype({"a": 0, "b": 1}, basetype="u1")),
        "'status' is not of type |u1",
    ),
    "a missing index array": (None, replaced("decoder", lambda _: None), "'decoder' is missing"),
    "a changed index array": (None, lambda file: file["status"].__setitem__(0, 1), "checksum of its index"),
    "another index checksum": (None, wrong_crc, "checksum of its index"),
    "rows that start below 0": (array("row_offset", [-1, 3, 5]), None, "'row_offset' does not rise"),
    "rows that start late": (array("row_offset", [1, 3, 5]), None, "'row_offset' does not rise"),
    "rows that fall": (array("row_offset", [0, 6, 5]), None, "'row_offset' does not rise"),
    "rows beyond the end": (array("row_offset", [0, 3, 6]), None, "'row_offset' does not rise from 0 to 5"),
    "rows that stop early": (array("row_offset", [0, 3, 4]), None, "'row_offset' does not rise"),
    "rows that overflow": (array("row_offset", [0, 2**63 - 1, -(2**63)]), None, "'row_offset' does not rise"),
    "counts unlike the rows": (array("num_intervals", [2, 3]), None, "num_intervals does not match"),
    "no bounds at all": (array("video_id_offset", np.zeros(0)), None, "-1 videos"),
    "columns of unequal length": (array("source_size", [1]), None, "'source_size' has length 1; not 2"),
    "a negative duration": (array("duration_seconds", [-1.0, 1.0]), None, "'duration_seconds' holds a negative"),
    "an endless duration": (array("duration_seconds", [np.inf, 1.0]), None, "'duration_seconds' holds NaN"),
    "a start that is no number": (array("start_seconds", [np.nan, 1.0]), None, "'start_seconds' holds NaN"),
    "a negative count": (array("num_bad_packets", [-1, 1]), None, "'num_bad_packets' holds a negative"),
    "an unknown status": (array("status", [0, 3]), None, "'status' holds an unknown code"),
    "an unknown decoder": (array("decoder", [0, 200]), None, "'decoder' holds an unknown code"),
    "an empty id": (ids(b"", b"a"), None, "id is empty"),
    "a long id": (ids(b"a", b"b" * 1025), None, "longer than 1024 bytes"),
    "an id with NUL": (ids(b"a\0b", b"c"), None, "control character"),
    "an id with a line break": (ids(b"a\nb", b"c"), None, "control character"),
    "an id with DEL": (ids(b"a\x7fb", b"c"), None, "control character"),
    "an id that is no text": (ids(b"a", b"\xff\xfe"), None, "can't decode"),
    "an id with half a surrogate": (ids(b"a", b"\xed\xb3\xbf"), None, "can't decode"),
    "a letter cut between two ids": (ids(b"a\xc3", b"\xa9"), None, "can't decode"),
    "an id there twice": (ids(b"a", b"a"), None, "there twice"),
    "ids that overlap": (array("video_id_offset", [0, 5, 4]), None, "'video_id_offset' does not rise"),
    "another format": (attribute("format", "anndata"), None, "'format' is 'anndata'"),
    "no format": (drop_attribute("format"), None, "attribute 'format' is missing"),
    "no version": (drop_attribute("version_minor"), None, "attribute 'version_minor' is missing"),
    "no time stamp": (drop_attribute("created"), None, "attribute 'created' is missing"),
    "a text of any length": (None, text_of_any_length, "'created' is not a text of fixed length"),
    "a number for a text": (attribute("generator", 1), None, "'generator' is not a text"),
    "a text for a number": (attribute("version_minor", "0"), None, "'version_minor' is not an unsigned"),
    "a wide number": (attribute("version_major", np.array(1, "<u8")), None, "'version_major' is not an unsigned"),
    "several versions": (attribute("version_major", np.ones(3, "<u4")), None, "is not a single value"),
    "a long text": (attribute("generator", "x" * 60_001), None, "at most 60000"),
    "another digest": (attribute("spec_sha256", "0" * 64), None, "does not match the spec's digest"),
    "a spec that is no JSON": (spec_text("{"), None, "damaged or not a feature store"),
    "a deeply nested spec": (spec_text("[" * 50_000), None, "damaged or not a feature store"),
    "a spec that is a list": (spec_text("[]"), None, "not a JSON object"),
    "a spec with a wrong type": (spec_text(json.dumps(SPEC | {"num_frames": "8"})), None, "'num_frames' is '8'"),
    "a spec with a truth for a number": (spec_text(json.dumps(SPEC | {"num_frames": True})), None, "is True"),
    "a digest of a video that is too short": (
        array("source_sha256", np.zeros((2, 31)), "u1"),
        None,
        "'source_sha256' has rows of 31",
    ),
}
LEGAL: dict[str, tuple[Edit | None, Spoil | None]] = {
    "as it is": (None, None),
    "a newer minor version": (attribute("version_minor", 7), lambda file: file.create_dataset("more", data=[1])),
    "the optional array": (array("source_sha256", np.zeros((2, 32)), "u1"), None),
    "a whole number of seconds": (spec_text(json.dumps(SPEC | {"step_seconds": 1})), None),
    "a cycle of hard links": (None, lambda file: file.__setitem__("self", file["/"])),
    "3,000 nested groups": (None, lambda file: file.create_group("/".join(["g"] * 3000))),
}
OTHER_VERSION: dict[str, tuple[Edit, str]] = {
    "version 2": (attribute("version_major", 2), "format version 2; this tsmfeat reads version 1"),
    "a spec with an unknown field": (spec_text(json.dumps(SPEC | {"new": 1})), "['new'] are missing or unknown"),
    "a spec that lacks a field": (spec_text("{}"), "are missing or unknown"),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("hostile")
    for name, (edit, spoil, _) in HOSTILE.items():
        write_naive_store(folder / f"{name}.h5", edit, spoil)
    for name, (edit, spoil) in LEGAL.items():
        write_naive_store(folder / f"{name}.h5", edit, spoil)
    for name, (edit, _) in OTHER_VERSION.items():
        write_naive_store(folder / f"{name}.h5", edit)
    write_naive_store(folder / "a user block.h5", userblock_size=512)
    write_naive_store(folder / "rows not aligned.h5", alignment_threshold=1, alignment_interval=8)
    return open_in_child(folder)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_at_once(outcomes: dict[str, Any], name: str) -> None:
    found = outcomes[f"{name}.h5"]
    assert found["content"] == {}
    ((kind, message),) = found["errors"]
    assert kind == "StoreError"
    assert f"{name}.h5: " in message
    assert HOSTILE[name][2] in message
    assert "hint: " in message
    assert "\n" not in message
    assert found["seconds"] < 1
    assert found["megabytes"] < 200


@pytest.mark.parametrize(("name", "words"), [("a user block", "has a user block"), ("rows not aligned", "offset")])
def test_rows_at_another_place_are_refused(outcomes: dict[str, Any], name: str, words: str) -> None:
    ((kind, message),) = outcomes[f"{name}.h5"]["errors"]
    assert (kind, words in message) == ("StoreError", True)


@pytest.mark.parametrize("name", LEGAL)
def test_a_legal_file_with_something_odd_is_read(outcomes: dict[str, Any], name: str) -> None:
    assert outcomes[f"{name}.h5"]["errors"] == []
    assert outcomes[f"{name}.h5"]["content"] == outcomes["as it is.h5"]["content"] != {}
    assert outcomes[f"{name}.h5"]["seconds"] < 1


@pytest.mark.parametrize("name", OTHER_VERSION)
def test_a_file_of_another_version_is_told_from_a_damaged_one(outcomes: dict[str, Any], name: str) -> None:
    ((kind, message),) = outcomes[f"{name}.h5"]["errors"]
    assert kind == "SpecMismatchError"
    assert f"{name}.h5: " in message
    assert OTHER_VERSION[name][1] in message


def test_a_table_that_claims_fewer_or_farther_bytes_than_its_shape_is_refused(tmp_path: Path) -> None:
    write_naive_store(tmp_path / "whole.h5")
    with h5py.File(tmp_path / "whole.h5", "r") as file:
        offset = file["embeddings"].id.get_offset()
    content = (tmp_path / "whole.h5").read_bytes()
    place = struct.pack("<QQ", offset, 40)
    assert content.count(place) == 1
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name, claimed in {"fewer": (offset, 16), "farther": (offset + 64, 40), "far": (2**40, 40)}.items():
        (folder / f"{name}.h5").write_bytes(content.replace(place, struct.pack("<QQ", *claimed)))
    found = open_in_child(folder)
    for outcome in found.values():
        assert outcome["content"] == {}
        assert {kind for kind, _ in outcome["errors"]} == {"StoreError"}


def truncate(content: bytearray, rng: np.random.Generator) -> bytearray:
    return content[: rng.integers(0, len(content))]


def flip_a_bit(content: bytearray, rng: np.random.Generator) -> bytearray:
    content[rng.integers(0, len(content))] ^= 1 << int(rng.integers(0, 8))
    return content


def zero_a_page(content: bytearray, rng: np.random.Generator) -> bytearray:
    start = int(rng.integers(0, -(-len(content) // 4096))) * 4096
    content[start : start + 4096] = bytes(len(content[start : start + 4096]))
    return content


def swap_two_blocks(content: bytearray, rng: np.random.Generator) -> bytearray:
    one, two = (int(start) * 512 for start in rng.choice(len(content) // 512, 2, replace=False))
    content[one : one + 512], content[two : two + 512] = content[two : two + 512], content[one : one + 512]
    return content


@pytest.mark.parametrize("damage", [truncate, flip_a_bit, zero_a_page, swap_two_blocks])
def test_damage_is_never_handed_out_as_data(
    tmp_path: Path, damage: Callable[[bytearray, np.random.Generator], bytearray]
) -> None:
    videos = make_videos(12, embedding_size=256)
    (part,) = write_parts(tmp_path, videos, 99, make_spec(256))
    whole = part.read_bytes()
    expected = {video.video_id: hashlib.sha256(video.embeddings.tobytes()).hexdigest() for video in videos}
    folder = tmp_path / "damaged"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(60):
        (folder / f"{number:03}.h5").write_bytes(damage(bytearray(whole), rng))
    found = open_in_child(folder)
    assert len(found) == 60
    for name, outcome in found.items():
        assert outcome["content"].items() <= expected.items(), name
        # Nothing disappears in silence: what is not read is reported.
        assert outcome["content"] == expected or outcome["errors"], name
        assert {kind for kind, _ in outcome["errors"]} <= {"StoreError", "SpecMismatchError"}
    if damage is truncate:
        assert all(len(outcome["errors"]) == 1 and not outcome["content"] for outcome in found.values())
    else:
        assert any(outcome["content"] and outcome["errors"] for outcome in found.values()), "no partial damage was met"
