"""Store files damaged after they were written: cut, a bit flipped, a page zeroed, rows zeroed with their checksum."""

import random
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from faults.findings import Findings
from faults.material import (
    LAYOUTS,
    PACKED,
    Layout,
    Setting,
    Stored,
    extract_words,
    make_truth,
    new_place,
    stored,
)
from faults.nursery import Order
from tsmfeat.errors import StoreError
from tsmfeat.store import schema
from tsmfeat.store.folders import output_files
from tsmfeat.store.reader import open_features
from tsmfeat.store.validation import read_index

NUM_TRIALS = 60
_PAGE = 4096
_USAGE = 2

Spoil = Callable[[bytearray, Path, random.Random], None]


def _cut(content: bytearray, _: Path, chance: random.Random) -> None:
    del content[chance.randrange(len(content)) :]


def _flip(content: bytearray, _: Path, chance: random.Random) -> None:
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)


def _zero_page(content: bytearray, _: Path, chance: random.Random) -> None:
    first = chance.randrange(0, len(content), _PAGE)
    content[first : first + _PAGE] = bytes(len(content[first : first + _PAGE]))


def _zero_rows_and_checksum(content: bytearray, path: Path, chance: random.Random) -> None:
    """Zero a video's rows, their CRC-32 in the index, and the CRC-32 of the index."""
    index = read_index(path)
    victim = chance.randrange(len(index.video_ids))
    width = 2 * index.spec.embedding_size
    first, last = (
        int(index.offset or 0) + width * int(row) for row in index.columns["row_offset"][victim : victim + 2]
    )
    content[first:last] = bytes(last - first)
    with h5py.File(path, "r", locking=False) as file:
        place = file["embedding_crc32"].id.get_offset() + 4 * victim
        whole = struct.pack("<I", int(np.asarray(file.attrs["index_crc32"])))
    content[place : place + 4] = bytes(4)
    place = content.index(whole)
    content[place : place + 4] = bytes(4)


SPOILS: dict[str, Spoil] = {
    "truncated": _cut,
    "bit flipped": _flip,
    "page of 4 KiB zeroed": _zero_page,
    "rows zeroed with their checksum": _zero_rows_and_checksum,
}


def damage_files(setting: Setting, findings: Findings) -> None:
    """Damage a part of a complete folder, or a packed file; read what can be read; run the extraction again."""
    for layout in LAYOUTS:
        truth = make_truth(setting, layout)
        whole = new_place(setting)
        setting.nursery.run(Order(extract_words([setting.videos], whole, layout)))
        for name, spoil in SPOILS.items():
            for _ in range(setting.share(NUM_TRIALS // len(LAYOUTS))):
                place = new_place(setting)
                shutil.copytree(whole, place, dirs_exist_ok=True)
                path = setting.chance.choice(output_files(place / layout.out))
                content = bytearray(path.read_bytes())
                spoil(content, path, setting.chance)
                path.write_bytes(content)
                findings.counts[name] += 1
                _judge_reading(output_files(place / layout.out), truth, layout, findings)
                if layout is PACKED and schema.FORMAT.encode() not in content[:_PAGE]:
                    _judge_refusal(setting, place, content, findings)
                else:
                    _judge_repair(setting, (place, layout), truth, findings)
                shutil.rmtree(place)


def _judge_reading(files: list[Path], truth: Stored, layout: Layout, findings: Findings) -> None:
    """Read the files one by one: each video is right, or refused with its file named."""
    for path in files:
        try:
            with open_features(path) as store:
                _read_each(store.video_ids, path, truth, layout, findings)
        except StoreError as error:
            findings.counts["files refused"] += 1
            findings.require(path.name in error.message, "a refusal names the file", error.message)


def _read_each(video_ids: tuple[str, ...], path: Path, truth: Stored, layout: Layout, findings: Findings) -> None:
    for video_id in video_ids:
        try:
            with open_features(path) as store:
                rows = store.embeddings(video_id)
        except StoreError as error:
            findings.counts["videos refused"] += 1
            named = path.name in error.message and video_id in error.message
            findings.require(named, "a refusal names the file and the video", error.message)
            continue
        right = truth.get((layout.stores[0], video_id)) == (len(rows), zlib.crc32(rows.tobytes()))
        findings.require(right, "no wrong embedding is handed out", (path.name, video_id))


def _judge_refusal(setting: Setting, place: Path, content: bytearray, findings: Findings) -> None:
    """Check that a file of the user's naming, which does not say any more what it is, is not touched."""
    ended = setting.nursery.run(Order(extract_words([setting.videos], place, PACKED)))
    findings.counts["packed files no longer to be told from others'"] += 1
    findings.require(ended.code == _USAGE, "a file that may be anybody's is exit code 2", ended)
    kept = (place / PACKED.out).read_bytes() == content
    findings.require(kept, "a file that may be anybody's is left as it is", ended)


def _judge_repair(setting: Setting, at: tuple[Path, Layout], truth: Stored, findings: Findings) -> None:
    place, layout = at
    ended = setting.nursery.run(Order(extract_words([setting.videos], place, layout)))
    findings.require(ended.code == 0, "the next run mends it", ended)
    findings.counts["videos made again"] += ended.report.get("num_done", 0)
    try:
        found = stored(place, layout)
    except StoreError as error:
        findings.require(False, "ids, counts and checksums equal an uninterrupted run", error.message)
        return
    findings.require(found == truth, "ids, counts and checksums equal an uninterrupted run", ended)
