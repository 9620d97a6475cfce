"""The list of failed videos: written, read again, and what happens when it is not what was written."""

import csv
import os

import pytest
from faulty_os import FaultyOs

from tsmfeat import files
from tsmfeat.errors import InputError, OutputError
from tsmfeat.workflows.failures import Failure, load_failures, save_failures

ONE = Failure("a", "videos/a.mp4", "probe", "0 bytes; a video cannot be empty")


def listed(*failures):
    return {failure.video_id: failure for failure in failures}


def save(path, *failures, own=()):
    save_failures(path, listed(*failures), own or {failure.video_id for failure in failures})


def test_the_file_is_plain_csv_sorted_by_id(tmp_path):
    path = tmp_path / "x.failures.csv"
    save(path, Failure("b", "b.mp4", "decode", 'corrupt, "bad"', 3), ONE)
    with path.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.reader(stream))
    assert rows == [
        ["video_id", "path", "stage", "reason", "attempts"],
        ["a", "videos/a.mp4", "probe", "0 bytes; a video cannot be empty", "1"],
        ["b", "b.mp4", "decode", 'corrupt, "bad"', "3"],
    ]


@pytest.mark.parametrize(
    "failure",
    [
        ONE,
        Failure("käse, 1", 'a "b"\nc/x.mp4', "reader", "ended by signal 9", 12),
        Failure("id", os.fsdecode(b"/data/\xe4/x.mp4"), "probe", "no such file"),
        Failure("cr", "a\r\nb.mp4", "embed", ""),
    ],
)
def test_what_is_saved_is_loaded(tmp_path, failure):
    path = tmp_path / "failures.csv"
    save(path, failure, ONE)
    assert load_failures(path) == listed(failure, ONE)


def test_no_file_means_no_failures_and_no_failures_mean_no_file(tmp_path):
    path = tmp_path / "failures.csv"
    assert load_failures(path) == {}
    save(path, ONE)
    save_failures(path, {}, {"a"})
    assert list(tmp_path.iterdir()) == []
    save_failures(path, {}, {"a"})


def test_other_runs_failures_stay_listed_and_ones_own_are_replaced(tmp_path):
    path = tmp_path / "failures.csv"
    other = Failure("z", "z.mp4", "probe", "not a readable video", 2)
    save(path, ONE, other, Failure("b", "b.mp4", "decode", "corrupt"))
    again = Failure("a", "videos/a.mp4", "probe", "still empty", 2)
    save(path, again, own={"a", "b"})
    assert load_failures(path) == listed(again, other)


@pytest.mark.parametrize(("cell", "number"), [("7", 7), ("", 1), ("many", 1), ("-3", 1), ("²", 1), ("9" * 5000, 1)])
def test_odd_numbers_of_attempts_count_as_one(tmp_path, cell, number):
    path = tmp_path / "failures.csv"
    path.write_text(f"video_id,path,stage,reason,attempts\na,b,c,d,{cell}\n")
    assert load_failures(path)["a"].attempts == number


def test_short_rows_and_rows_without_an_id_are_bearable(tmp_path):
    path = tmp_path / "failures.csv"
    path.write_text("video_id,path,stage,reason,attempts\na,b\n,b,c,d,1\ne,f,g,h,2,more\n")
    assert load_failures(path) == listed(Failure("a", "b", "", ""), Failure("e", "f", "g", "h", 2))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"video_id,path\na,b\n",
        b"\x00\xff\xfe\x89HDF",
        b'video_id,path,stage,reason,attempts\na,"unclosed\n',
        b"video_id,path,stage,reason,attempts\na," + b"x" * 200_000 + b",c,d,1\n",
    ],
)
def test_another_file_is_refused_when_read_and_replaced_when_written(tmp_path, content):
    path = tmp_path / "failures.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"list of failures"):
        load_failures(path)
    save(path, ONE)
    assert load_failures(path) == listed(ONE)


def test_a_folder_of_that_name_is_an_error_of_the_output(tmp_path):
    path = tmp_path / "failures.csv"
    path.mkdir()
    with pytest.raises(InputError, match="not a readable list"):
        load_failures(path)
    with pytest.raises(OutputError):
        save(path, ONE)
    with pytest.raises(OutputError, match="cannot be removed"):
        save_failures(path, {}, {"a"})


def test_a_full_disk_keeps_the_list_that_was(tmp_path, monkeypatch):
    path = tmp_path / "failures.csv"
    save(path, ONE)
    monkeypatch.setattr(files, "os", FaultyOs(1, full=True))
    with pytest.raises(OutputError, match="No space left"):
        save(path, Failure("b", "b.mp4", "decode", "corrupt"))
    assert load_failures(path) == listed(ONE)
    assert list(tmp_path.iterdir()) == [path]
