"""Crash safety: death at every call that changes the disk, a full disk at each, SIGKILL at random, many writers."""

import hashlib
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from factories_store import CREATED, make_spec, make_videos
from faulty_os import FaultyOs, KilledError

from tsmfeat import files
from tsmfeat.errors import OutputError, StoreError
from tsmfeat.store.folders import finished_videos, output_files, parts_folder, remove_parts, set_aside
from tsmfeat.store.options import StoreOptions
from tsmfeat.store.packing import find_damaged, pack
from tsmfeat.store.reader import open_features
from tsmfeat.store.writer import PartWriter
from tsmfeat.values.features import VideoFeatures

HERE = Path(__file__).parent
SPEC = make_spec()
# 12 videos of 37 intervals; a part is due after 9 intervals, which makes 4 parts.
VIDEOS = make_videos(12)
OPTIONS = StoreOptions(part_bytes=9 * 8 * 2, part_seconds=1e9)


def extract(out: Path, declared: list[str], videos: list[VideoFeatures] = VIDEOS) -> None:
    """Do what ``extract`` does with a store: resume, publish, pack, remove the parts. Declares finished videos."""
    state = finished_videos(out, SPEC, skip_damaged=True)
    for item in state.damaged:
        set_aside(item.path)
    missing = [video for video in videos if video.video_id not in state.num_intervals]
    with PartWriter(parts_folder(out), SPEC, worker="w", options=OPTIONS) as writer:
        for video in missing:
            writer.append(video)
            if writer.publish_due or video is missing[-1]:
                writer.publish(CREATED)
                declared += [v for v in writer.finished if v not in declared]
    with open_features(output_files(out)) as store:
        pack(store, out, created=CREATED)
    remove_parts(store.files, out)


def stored(out: Path) -> dict[str, str]:
    """Return a digest of the embeddings of every video that an output lists, all of them read and verified."""
    if not output_files(out):
        return {}
    with open_features(output_files(out)) as store:
        return {v: hashlib.sha256(store.embeddings(v).tobytes()).hexdigest() for v in store.video_ids}


TRUTH = {v.video_id: hashlib.sha256(v.embeddings.tobytes()).hexdigest() for v in VIDEOS}


def require_sound(out: Path, declared: list[str]) -> None:
    """Check that no finished video is lost and none is listed that is not finished."""
    found = stored(out)
    assert set(declared) <= set(found), "a finished video is lost"
    assert found.items() <= TRUTH.items(), "a video is listed with other embeddings"


def run_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[str], bytes]:
    """Run without a fault; return the calls that change the disk, and the packed file."""
    counting = FaultyOs()
    monkeypatch.setattr(files, "os", counting)
    extract(tmp_path / "whole" / "x.h5", [])
    kinds = {name: counting.calls.count(name) for name in set(counting.calls)}
    assert kinds["link"] == 4
    assert kinds["replace"] == 1
    return counting.calls, (tmp_path / "whole" / "x.h5").read_bytes()


def test_a_file_is_flushed_before_it_gets_its_name_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = FaultyOs()
    monkeypatch.setattr(files, "os", counting)
    with PartWriter(tmp_path, SPEC) as writer:
        writer.append(VIDEOS[1])
    part = "open write write fsync link unlink open fsync".split()
    assert counting.calls == part
    with open_features(tmp_path) as store:
        pack(store, tmp_path / "x.h5")
    assert counting.calls == [*part, *"open write write fsync replace unlink open fsync".split()]


@pytest.mark.parametrize("half", [False, True], ids=["whole writes", "half writes"])
def test_death_at_every_call_loses_no_finished_video_and_feigns_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bool
) -> None:
    calls, whole = run_whole(tmp_path, monkeypatch)
    assert len(calls) > 50
    # Half of a call makes a difference to writes only.
    for number in [n for n, name in enumerate(calls, 1) if name == "write" or not half]:
        out, declared = tmp_path / str(number) / "x.h5", []
        faulty = FaultyOs(number, half=half)
        monkeypatch.setattr(files, "os", faulty)
        with pytest.raises(KilledError):
            extract(out, declared)
        assert len(faulty.calls) >= number
        monkeypatch.setattr(files, "os", FaultyOs())
        # What the kernel would say of the process id of a dead run.
        monkeypatch.setattr(files, "RUN_MARK", f"{number:08x}")
        require_sound(out, declared)
        extract(out, declared)
        assert out.read_bytes() == whole, f"resumed after a death at call {number}"
        assert list(out.parent.iterdir()) == [out], f"call {number} left something behind"


@pytest.mark.golden
def test_two_deaths_in_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, whole = run_whole(tmp_path, monkeypatch)
    for number in range(1, len(calls) + 1, 3):
        out, declared = tmp_path / str(number) / "x.h5", []
        for attempt, fail_at in enumerate((number, 1 + number // 2)):
            monkeypatch.setattr(files, "os", FaultyOs(fail_at, half=attempt == 1))
            monkeypatch.setattr(files, "RUN_MARK", f"{number:04x}{attempt:04x}")
            with suppress(KilledError):
                extract(out, declared)
            monkeypatch.setattr(files, "os", FaultyOs())
            require_sound(out, declared)
        monkeypatch.setattr(files, "RUN_MARK", f"{number:04x}ffff")
        extract(out, declared)
        assert out.read_bytes() == whole


def test_a_full_disk_at_every_call_is_an_output_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, whole = run_whole(tmp_path, monkeypatch)
    # Removing files works on a full disk and is not counted as a call that may fail.
    full = FaultyOs(full=True)
    monkeypatch.setattr(files, "os", full)
    extract(tmp_path / "count" / "x.h5", [])
    assert 40 < len(full.calls) < len(calls)
    for number in range(1, len(full.calls) + 1):
        out, declared = tmp_path / str(number) / "x.h5", []
        monkeypatch.setattr(files, "os", FaultyOs(number, full=True))
        with pytest.raises(OutputError) as caught:
            extract(out, declared)
        assert caught.value.exit_code == 7
        assert list(out.parent.rglob("*.tmp")) == []
        monkeypatch.setattr(files, "os", FaultyOs())
        require_sound(out, declared)
        extract(out, declared)
        assert out.read_bytes() == whole


def test_a_part_damaged_after_its_run_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, whole = run_whole(tmp_path, monkeypatch)
    out = tmp_path / "x.h5"
    declared: list[str] = []
    # The run dies when it starts to pack: all parts are there.
    monkeypatch.setattr("test_store_crash.pack", kill)
    with pytest.raises(KilledError):
        extract(out, declared)
    monkeypatch.undo()
    part = output_files(out)[1]
    part.write_bytes(part.read_bytes()[:-7])
    extract(out, declared)
    assert out.read_bytes() == whole
    assert list((tmp_path / "x.parts").iterdir()) == [part.with_name(f"{part.name}.damaged")]


def test_a_video_damaged_after_its_run_stops_packing_until_it_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whole = run_whole(tmp_path, monkeypatch)
    out = tmp_path / "x.h5"
    monkeypatch.setattr("test_store_crash.pack", kill)
    with pytest.raises(KilledError):
        extract(out, [])
    monkeypatch.undo()
    part = output_files(out)[1]
    content = bytearray(part.read_bytes())
    content[-1] ^= 1
    part.write_bytes(content)
    with pytest.raises(StoreError, match=part.name):
        extract(out, [])
    with open_features(output_files(out)) as store:
        (damaged,) = find_damaged(store)
    with PartWriter(parts_folder(out), SPEC) as writer:
        writer.append(next(video for video in VIDEOS if video.video_id == damaged.video_id))
    extract(out, [])
    assert out.read_bytes() == whole


def kill(*_: object, **__: object) -> None:
    raise KilledError("pack")


def run_child(*arguments: str) -> dict[str, int]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, str(HERE / "kill_store_writers.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found


def test_sigkill_at_random_moments_loses_nothing(tmp_path: Path) -> None:
    found = run_child("alone", str(tmp_path), os.environ.get("TSMFEAT_NUM_KILLS", "10"), "0")
    assert found["problems"] == 0
    assert found["kills"] >= 10


def test_four_writers_share_a_folder_while_some_are_killed(tmp_path: Path) -> None:
    found = run_child("together", str(tmp_path), "6", "0")
    assert found["problems"] == 0
    assert found["kills"] >= 6
