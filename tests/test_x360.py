"""360+x folders: one JSON a video, the entries the challenge's kit takes, and what it passes over."""

import json
import math

import pytest
from factories_formats import make_annotations, prediction_rows, put, told
from hypothesis import given, settings
from hypothesis import strategies as st

from tsmfeat.errors import InputError, OutputError
from tsmfeat.formats.x360 import read_annotations, write_annotations
from tsmfeat.values.vocabulary import Vocabulary


def entry(start, end, name="walking"):
    return {"duration": [start, end], "action": {"1": name}}


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "TAL"
    path.mkdir()
    put(path / "b7.x.json", {"metadata": {"1_a": entry(1.5, 4), "1_b": entry(0, 2.5, "eating")}, "project": {}})
    put(path / "a1.json", {"metadata": {"k": {"vid": "1", "flg": 0, "z": [7.25, 35], "xy": [], "av": {"1": "eating"}}}})
    put(path / "c.json", {"metadata": {}})
    put(path / "readme.txt", "not read")
    return path


def test_a_folder_is_read_by_file_names(folder):
    found = read_annotations(folder, "error")
    assert found.video_ids == ("a1", "b7.x", "c")
    assert found.vocabulary.names == ("eating", "walking")
    assert told(found) == [("a1", "eating", 7.25, 35, 1), ("b7.x", "walking", 1.5, 4, 1), ("b7.x", "eating", 0, 2.5, 1)]
    assert found.subset == ("", "", "")


def test_a_single_file_is_a_set_of_one_video(folder):
    assert told(read_annotations(folder / "a1.json", "error")) == [("a1", "eating", 7.25, 35, 1)]


@pytest.mark.parametrize(
    "found",
    [
        {"action": {"1": "walking"}},
        {"duration": [], "action": {"1": "walking"}},
        {"duration": [3], "action": {"1": "walking"}},
        {"duration": [3, 4]},
        {"duration": [3, 4], "action": {}},
        {"duration": [3, 4], "action": {"2": "walking"}},
        {"duration": [3, 4], "action": {"1": None}},
        {"duration": [3, 4], "action": ["walking"]},
        [],
    ],
)
def test_entries_the_kit_passes_over_are_counted_or_listed(folder, found):
    put(folder / "c.json", {"metadata": {"x": found, "y": entry(1, 2)}})
    read = read_annotations(folder)
    assert (len(read.segments), read.num_dropped) == (4, 1)
    with pytest.raises(InputError, match=r"TAL: c.json: metadata\['x'\]: no duration \[start, end\] or no action"):
        read_annotations(folder, "error")


def test_other_attributes_than_the_action_are_not_looked_at(folder):
    put(folder / "c.json", {"metadata": {"x": {"duration": [1, 2], "action": {"1": "walking", "2": "outdoors"}}}})
    assert told(read_annotations(folder, "error"))[-1] == ("c", "walking", 1, 2, 1)


@pytest.mark.parametrize("duration", ["[true, 2]", '["1", 2]', "[null, 2]", f"[1, {'9' * 400}]"])
@pytest.mark.parametrize("invalid", ["drop", "keep", "error"])
def test_durations_are_numbers(folder, duration, invalid):
    put(folder / "c.json", f'{{"metadata": {{"x": {{"duration": {duration}, "action": {{"1": "walking"}}}}}}}}')
    with pytest.raises(InputError, match=r"TAL: c.json: metadata\['x'\]: duration .*; two numbers of seconds"):
        read_annotations(folder, invalid)


@pytest.mark.parametrize("ends", ["[2, 2]", "[3, 2]", "[NaN, 2]", "[0, 1e999]"])
def test_invalid_segments_are_dropped_kept_or_refused(folder, ends):
    put(folder / "c.json", f'{{"metadata": {{"x": {{"duration": {ends}, "action": {{"1": "walking"}}}}}}}}')
    assert read_annotations(folder).num_dropped == 1
    assert len(read_annotations(folder, "keep").segments) == 4
    with pytest.raises(InputError, match=r"c.json: metadata\['x'\]: segment"):
        read_annotations(folder, "error")


@pytest.mark.parametrize(
    ("content", "story"),
    [
        ("[]", "no object 'metadata'"),
        ('{"metadata": 3}', "no object 'metadata'"),
        ('{"metadata": {', "not JSON"),
        ("", "empty"),
    ],
)
def test_a_file_of_another_shape_is_named(folder, content, story):
    put(folder / "c.json", content)
    with pytest.raises(InputError, match=story) as caught:
        read_annotations(folder)
    assert caught.value.message.startswith(str(folder / "c.json"))


def test_half_a_surrogate_pair_is_no_name(folder):
    put(folder / "c.json", '{"metadata": {"x": {"duration": [1, 2], "action": {"1": "\\ud800"}}}}')
    with pytest.raises(InputError, match=r"c.json: metadata\['x'\]: '\\ud800' is not a valid Unicode text"):
        read_annotations(folder)


def test_repeated_keys_are_refused_only_when_asked(folder):
    row = json.dumps(entry(1, 2))
    put(folder / "c.json", f'{{"metadata": {{"x": {row}, "x": {row}}}}}')
    assert len(read_annotations(folder).segments) == 4
    with pytest.raises(InputError, match=r"TAL: c.json: key 'x' occurs twice"):
        read_annotations(folder, "error")


def test_a_class_that_is_not_given_is_refused(folder):
    with pytest.raises(InputError, match=r"b7.x.json: metadata\['1_a'\]: class 'walking' is not among .* did you mean"):
        read_annotations(folder, classes=Vocabulary(("eating", "waking")))


def test_a_folder_without_json_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no .json file"):
        read_annotations(tmp_path)


FILE_NAME = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=6)


@given(prediction_rows(FILE_NAME))
@settings(max_examples=30, deadline=None)
def test_annotations_come_back_as_they_were(tmp_path_factory, drawn):
    videos, rows = drawn
    before = make_annotations([row[:4] for row in rows], {video: ("", math.nan, "") for video in videos})
    path = tmp_path_factory.mktemp("x360") / "TAL"
    write_annotations(before, path)
    after = read_annotations(path, "error")
    assert sorted(after.video_ids) == sorted(before.video_ids)
    for video in videos:
        assert [row for row in told(after) if row[0] == video] == [row for row in told(before) if row[0] == video]


@pytest.mark.parametrize("name", ["a/b", "../a", "..", "a\0b", "x" * 300])
def test_ids_that_cannot_be_file_names_are_refused(tmp_path, name):
    with pytest.raises(InputError, match="cannot be a file's name"):
        write_annotations(make_annotations([(name, "walking", 0.0, 1.0)]), tmp_path / "TAL")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_stays_as_it_is(folder):
    with pytest.raises(OutputError, match="cannot be written"):
        write_annotations(make_annotations([("v", "walking", 0.0, 1.0)]), folder)
    assert read_annotations(folder).video_ids == ("a1", "b7.x", "c")
