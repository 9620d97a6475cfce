"""The fault programme finds nothing on a sample of its points; and it would find something if there were something."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "benchmarks"
sys.path.append(str(ROOT))

from faults import programme  # noqa: E402
from faults.findings import Findings  # noqa: E402
from faults.injection import CALLS, PRELOAD, compile_library  # noqa: E402

# What no other test tries on the whole command; each takes a few seconds.
SAMPLED = "read-only folder,broken readers"


@pytest.mark.golden
def test_a_sample_of_the_programme_breaks_no_rule(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    command = [sys.executable, "-m", "faults.programme", "--quick", "--out", str(tmp_path), "--parts", SAMPLED]
    cores = os.sched_getaffinity(0)
    # One process of the programme is enough: it starts one on each core it may use.
    os.sched_setaffinity(0, {min(cores)})
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    finally:
        os.sched_setaffinity(0, cores)
    assert done.returncode == 0, done.stdout + done.stderr
    text = (tmp_path / "faults.json").read_text()
    found = json.loads(text)
    assert f'"{os.uname().nodename}"' not in text
    assert (found["quick"], set(found["parts"])) == (True, set(SAMPLED.split(",")))
    for name, part in found["parts"].items():
        if not part["skipped"]:
            assert sum(part["checks"].values()) > 0, name
        assert sum(part["violations"].values()) == 0, name


def test_a_broken_rule_is_counted_told_and_kept(tmp_path):
    findings = Findings()
    findings.require(True, "nothing is lost", "here")
    findings.require(False, "nothing is lost", "there")
    read = Findings.from_dict(json.loads(json.dumps(findings.to_dict())))
    read.add(findings)
    assert (read.checks, read.violations) == (Counter({"nothing is lost": 4}), Counter({"nothing is lost": 2}))
    assert "2 of      4  nothing is lost" in programme.tell({"a part": read})
    assert "! nothing is lost: there" in programme.tell({"a part": read})


COUNTED = """
import json, os, sys
from pathlib import Path
from faults.injection import CallLog, Fault, is_preloaded
assert is_preloaded()
log, folder = CallLog(), Path(sys.argv[1])
log.arm(folder, Fault(int(sys.argv[2]), int(sys.argv[3])))
(folder.parent / "elsewhere").write_bytes(b"not counted")
os.mkdir(folder / "a")
descriptor = os.open(folder / "a" / "b", os.O_CREAT | os.O_WRONLY)
failed = []
for call in (
    lambda: os.write(descriptor, b"12345678"),
    lambda: os.pwrite(descriptor, b"12345678", 8),
    lambda: os.ftruncate(descriptor, 12),
    lambda: os.fsync(descriptor),
    lambda: os.link(folder / "a" / "b", folder / "c"),
    lambda: os.rename(folder / "c", folder / "d"),
    lambda: os.unlink(folder / "d"),
    lambda: os.unlink(folder / "a" / "b"),
    lambda: os.rmdir(folder / "a"),
):
    try:
        call()
    except OSError as error:
        failed.append(error.errno)
print(json.dumps([log.take(), failed]))
"""
WHOLE = ["mkdir", "open", "write", "pwrite", "ftruncate", "fsync", "link", "rename", "unlink", "unlink", "rmdir"]


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    found = compile_library(tmp_path_factory.mktemp("library"))
    if found is None:
        pytest.skip("no C compiler")
    return found


def run_counted(library, folder, what, at):
    environment = os.environ | {PRELOAD: str(library), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    command = [sys.executable, "-c", COUNTED, str(folder), str(what), str(at)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)


def test_every_call_that_changes_the_folder_is_counted_and_no_other(library, tmp_path):
    (tmp_path / "place").mkdir()
    done = run_counted(library, tmp_path / "place", 0, 0)
    assert json.loads(done.stdout) == [WHOLE, []], done.stderr
    assert set(WHOLE) == set(CALLS.values())


@pytest.mark.parametrize(("what", "size"), [(1, 0), (2, 4)], ids=["before a write", "after half of it"])
def test_a_process_dies_at_the_call(library, tmp_path, what, size):
    (tmp_path / "place").mkdir()
    assert run_counted(library, tmp_path / "place", what, 3).returncode == -9
    assert (tmp_path / "place" / "a" / "b").stat().st_size == size


def test_a_disk_stays_full_for_all_but_removing(library, tmp_path):
    (tmp_path / "place").mkdir()
    done = run_counted(library, tmp_path / "place", 3, 3)
    _, failed = json.loads(done.stdout)
    # Six calls find no room; two names were never made; the file and its folder can be removed.
    assert failed == [28] * 6 + [2]
