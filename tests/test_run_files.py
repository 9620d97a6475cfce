"""Files of run records: appended whole by many processes at once, and readable whatever else they hold."""

import errno
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time

import pytest

from tsmfeat.errors import InputError, OutputError
from tsmfeat.workflows import run_files
from tsmfeat.workflows.run_files import append_run, find_run_files, read_runs

RECORD = {"command": "score", "time": "2026-01-02T03:04:05Z", "options": {}, "scores": {"final_score": 0.5}}
WRITER = """
import sys
from pathlib import Path
from tsmfeat.workflows.run_files import append_run
path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
record = {"command": "score", "time": "2026-01-02T03:04:05Z", "options": {"text": name * 4000}, "scores": {}}
for number in range(count):
    append_run(path, {**record, "number": number})
"""


def test_records_come_back_in_order_with_a_short_digest_of_their_line(tmp_path):
    path = tmp_path / "new" / "runs.jsonl"
    for number in range(3):
        append_run(path, {**RECORD, "number": number})
    runs, bad = read_runs([path])
    assert [run.record["number"] for run in runs] == [0, 1, 2]
    assert [run.line for run in runs] == [1, 2, 3]
    assert bad == []
    lines = path.read_bytes().splitlines()
    assert [run.id for run in runs] == [hashlib.sha256(line).hexdigest()[:8] for line in lines]
    assert all(json.loads(line)["format"] == "tsmfeat-run" for line in lines)


def test_processes_that_append_at_once_lose_nothing(tmp_path):
    path, count = tmp_path / "runs.jsonl", 60
    words = [[sys.executable, "-c", WRITER, str(path), name, str(count)] for name in "abc"]
    writers = [subprocess.Popen(line) for line in words]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    runs, bad = read_runs([path])
    assert bad == []
    for name in "abc":
        own = [run.record["number"] for run in runs if run.record["options"]["text"] == name * 4000]
        assert own == list(range(count))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"format":"tsmfeat-run","comm', "not JSON"),
        (b"# my notes", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"null", "not JSON"),
        (b"[1, 2]", "no record of a run"),
        (b'{"loss": 0.5}', "no record of a run"),
        (b'{"format":"tsmfeat-run","command":"score","time":"t","options":{}}', "a record without scores"),
        (b'{"format":"tsmfeat-run","command":7,"time":"t","options":{},"scores":{}}', "a record without command"),
    ],
)
def test_a_line_that_is_no_record_is_told_and_the_others_are_read(tmp_path, line, reason):
    path = tmp_path / "runs.jsonl"
    append_run(path, RECORD)
    with path.open("ab") as stream:
        stream.write(line)  # no end of line: whoever wrote it was stopped
    append_run(path, RECORD)
    runs, bad = read_runs([path])
    assert [run.line for run in runs] == [1, 3]
    assert [(each.file, each.line) for each in bad] == [(str(path), 2)]
    assert reason in bad[0].reason


def test_a_disk_that_fills_up_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "runs.jsonl"
    append_run(path, RECORD)
    before = path.read_bytes()
    real = os.write
    monkeypatch.setattr(run_files.os, "write", lambda descriptor, data: real(descriptor, data[:20]))
    with pytest.raises(OutputError, match=r"runs.jsonl: cannot be appended to \(No space left"):
        append_run(path, RECORD)
    assert path.read_bytes() == before

    def refuse(descriptor, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(run_files.os, "write", refuse)
    with pytest.raises(OutputError, match="No space left"):
        append_run(path, RECORD)
    assert path.read_bytes() == before


def test_a_lock_that_is_never_let_go_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    path = tmp_path / "runs.jsonl"
    append_run(path, RECORD)
    monkeypatch.setattr(run_files, "_LOCK_SECONDS", 0.05)
    with path.open("rb") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        began = time.monotonic()
        with pytest.raises(OutputError, match="another process holds its lock"):
            append_run(path, RECORD)
        assert time.monotonic() - began < 5
    append_run(path, RECORD)
    assert len(read_runs([path])[0]) == 2


def test_a_file_system_without_locks_is_written_all_the_same(tmp_path, monkeypatch):
    def refuse(descriptor, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(run_files.fcntl, "flock", refuse)
    append_run(tmp_path / "runs.jsonl", RECORD)
    assert len(read_runs([tmp_path / "runs.jsonl"])[0]) == 1


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(OutputError, match=f"{name}: cannot be appended to"):
            append_run(tmp_path / name, RECORD)


def test_names_that_no_encoding_has_are_kept(tmp_path):
    name = os.fsdecode(b"vid\xe9o.mp4")
    append_run(tmp_path / "runs.jsonl", {**RECORD, "output": name})
    assert read_runs([tmp_path / "runs.jsonl"])[0][0].record["output"] == name


def test_folders_are_searched_and_a_file_counts_once(tmp_path):
    for name in ("a", "b/c"):
        append_run(tmp_path / name / "runs.jsonl", RECORD)
    (tmp_path / "b" / "other.jsonl").write_text("{}\n")
    found = find_run_files([tmp_path / "a" / "runs.jsonl", tmp_path])
    assert found == [tmp_path / "a" / "runs.jsonl", tmp_path / "b" / "c" / "runs.jsonl"]
    with pytest.raises(InputError, match="nowhere: no such file or folder") as caught:
        find_run_files([tmp_path / "nowhere"])
    assert "fit-heads" in caught.value.hint
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no runs.jsonl in .*empty"):
        find_run_files([tmp_path / "empty"])
    with pytest.raises(InputError, match="cannot be read"):
        read_runs([tmp_path / "empty"])
