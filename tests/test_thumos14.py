"""THUMOS14 text: detections, annotation folders, the challenge's ids, and ambiguous segments."""

import json

import pytest
from factories_formats import TIME, WORD, make_annotations, make_predictions, prediction_rows, put, told
from hypothesis import given, settings
from hypothesis import strategies as st

from tsmfeat.errors import InputError, OutputError
from tsmfeat.formats.activitynet import read_annotations as read_json
from tsmfeat.formats.activitynet import write_annotations as write_json
from tsmfeat.formats.classes import ClassList
from tsmfeat.formats.thumos14 import (
    THUMOS14_CLASSES,
    read_annotations,
    read_predictions,
    write_annotations,
    write_predictions,
)
from tsmfeat.values.vocabulary import Vocabulary

OFFICIAL = [7, 9, 12, 21, 22, 23, 24, 26, 31, 33, 36, 40, 45, 51, 68, 79, 85, 92, 93, 97]


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "annotation"
    path.mkdir()
    put(path / "Diving_test.txt", "video_test_1  1.5 2.5\n\nvideo_test_2\t3 4\n")
    put(path / "BaseballPitch_val.txt", "video_validation_1 5.0 6.0\n")
    put(path / "Ambiguous_test.txt", "video_test_1 7 8\nvideo_test_9 7 8\n")
    put(path / "CliffDiving_test.txt", "")
    put(path / "detclasslist.txt", "7 BaseballPitch\n")
    return path


def test_the_ids_are_the_challenges():
    assert list(THUMOS14_CLASSES.ids) == OFFICIAL
    assert (THUMOS14_CLASSES.name_of(7), THUMOS14_CLASSES.name_of(97)) == ("BaseballPitch", "VolleyballSpiking")
    assert THUMOS14_CLASSES.id_of("CleanAndJerk") == 21


def test_the_names_are_those_of_the_published_annotations(shared_data):
    names = read_json(shared_data("evaluation") / "gt_thumos14_test.json").vocabulary.names
    assert sorted(names) == list(THUMOS14_CLASSES.vocabulary.names)


def test_a_folder_is_read_with_its_subsets_and_ambiguous_segments_are_counted(folder):
    found = read_annotations(folder, "error")
    assert told(found) == [
        ("video_validation_1", "BaseballPitch", 5, 6, 1),
        ("video_test_1", "Diving", 1.5, 2.5, 1),
        ("video_test_2", "Diving", 3, 4, 1),
    ]
    # A file of no lines states a class; a video of ambiguous segments alone is one of the set.
    assert found.vocabulary.names == ("BaseballPitch", "CliffDiving", "Diving")
    assert dict(zip(found.video_ids, found.subset, strict=True)) == {
        "video_validation_1": "validation",
        "video_test_1": "testing",
        "video_test_2": "testing",
        "video_test_9": "testing",
    }
    assert (found.num_ambiguous, found.num_dropped) == (2, 0)
    assert found.select_subset("testing").num_ambiguous == 2
    aside = found.select_videos([found.video_ids.index(name) for name in ("video_test_9", "video_test_1")]).ambiguous
    assert (aside.video.tolist(), aside.start.tolist(), aside.end.tolist()) == ([1, 0], [7, 7], [8, 8])


def test_ambiguous_segments_survive_writing(folder, tmp_path):
    found = read_annotations(folder, "error")
    write_annotations(found, tmp_path / "again")
    write_json(found, tmp_path / "gt.json")
    for again in (read_annotations(tmp_path / "again", "error"), read_json(tmp_path / "gt.json", "error")):
        assert {again.video_ids[video] for video in again.ambiguous.video} == {"video_test_1", "video_test_9"}
        assert again.ambiguous.start.tolist() == [7.0, 7.0]
        assert (again.num_ambiguous, len(again.video_ids)) == (2, 4)


def test_ambiguous_is_a_class_where_it_is_named(folder):
    classes = Vocabulary((*THUMOS14_CLASSES.vocabulary.names, "Ambiguous"))
    found = read_annotations(folder, classes=classes)
    assert (len(found.segments), found.num_ambiguous) == (5, 0)
    assert found.vocabulary == classes


def test_a_class_that_is_not_given_is_refused_with_its_place(folder):
    with pytest.raises(InputError, match=r"annotation: Diving_test.txt:1: class 'Diving' is not among the 1"):
        read_annotations(folder, classes=Vocabulary(("BaseballPitch",)))


@pytest.mark.parametrize(
    ("line", "story"),
    [
        ("v 1", "'v 1'; a line reads video start end"),
        ("v 1 2 3", "a line reads video start end"),
        ("v one 2", "start 'one'; a number"),
        ("v 1 ٢", "end '٢'; a number"),
        ("v 1_0 20", "start '1_0'; a number"),
    ],
)
def test_a_bad_line_of_annotations_is_named_by_file_and_line(folder, line, story):
    put(folder / "Diving_test.txt", f"video_test_1 1 2\n{line}\n")
    with pytest.raises(InputError) as caught:
        read_annotations(folder)
    assert caught.value.message.startswith(f"{folder}: Diving_test.txt:2: ")
    assert story in caught.value.message


def test_reversed_annotations_are_dropped_or_listed(folder):
    put(folder / "Diving_test.txt", "video_test_1 74.1 65.3\nvideo_test_1 1 2\n")
    found = read_annotations(folder)
    assert (found.num_dropped, len(found.segments)) == (1, 2)
    with pytest.raises(InputError, match=r"Diving_test.txt:1: segment \[74.1, 65.3\]"):
        read_annotations(folder, "error")


DETECTIONS = "video_test_1 1.5 2.5 26 0.75\n  video_test_2\t3 4   7 1e-3\n\nvideo_test_1 5 6 8 0.5\n"


def test_detections_are_read_in_the_order_of_the_file(tmp_path):
    path = put(tmp_path / "run.txt", DETECTIONS)
    assert told(read_predictions(path)) == [
        ("video_test_1", "Diving", 1.5, 2.5, 0.75),
        ("video_test_2", "BaseballPitch", 3, 4, 0.001),
        ("video_test_1", "8", 5, 6, 0.5),
    ]
    with pytest.raises(InputError, match=r"run.txt:4: class id 8 has no name in the class list"):
        read_predictions(path, "error")
    named = read_predictions(path, "error", ClassList(Vocabulary(("a", "b", "c")), (7, 8, 26)))
    assert named.vocabulary.names == ("c", "a", "b")


@pytest.mark.parametrize(
    ("line", "story"),
    [
        ("v 1 2 26", ":2: 'v 1 2 26'; a line reads video start end class_id score"),
        ("v 1 2 26 0.5 7", ":2: "),
        ("v 1 2 Diving 0.5", ":2: class id 'Diving'; an id is a whole number"),
        ("v 1 2 ٢٦ 0.5", ":2: class id '٢٦'; an id is a whole number"),
        ("v 1 2 -26 0.5", ":2: class id '-26'; an id is a whole number"),
        ("v 1 2 26 high", ":2: score 'high'; a number"),
        ("v 1 2 26 nan", ":2: the score is NaN"),
        ("v " + "9" * 5000 + "x 2 26 1", ":2: start '999"),
    ],
)
@pytest.mark.parametrize("invalid", ["drop", "error"])
def test_a_bad_detection_is_named_by_its_line(tmp_path, line, story, invalid):
    path = put(tmp_path / "run.txt", f"v 1 2 26 0.5\n{line}\n")
    with pytest.raises(InputError) as caught:
        read_predictions(path, invalid)
    assert caught.value.message.startswith(str(path) + story)
    assert len(caught.value.message) < 300


@given(prediction_rows(WORD, st.sampled_from(["Diving", "Shotput", "55"])))
@settings(max_examples=40, deadline=None)
def test_detections_come_back_as_they_were(tmp_path_factory, drawn):
    _, rows = drawn
    before = make_predictions(rows)
    path = tmp_path_factory.getbasetemp() / "run.txt.gz"
    write_predictions(before, path)
    assert told(read_predictions(path)) == told(before)


@given(st.lists(st.tuples(WORD, st.sampled_from(["Diving", "Shotput"]), TIME), min_size=1, max_size=6), st.data())
@settings(max_examples=25, deadline=None)
def test_annotations_come_back_as_they_were(tmp_path_factory, rows, data):
    subsets = {row[0]: (data.draw(st.sampled_from(["testing", "validation"])), float("nan"), "") for row in rows}
    before = make_annotations([(video, label, start, start + 1) for video, label, start in rows], subsets)
    path = tmp_path_factory.mktemp("thumos") / "annotation"
    write_annotations(before, path)
    after = read_annotations(path, "error")
    assert sorted(told(after)) == sorted(told(before))
    assert dict(zip(after.video_ids, after.subset, strict=True)) == {name: fact[0] for name, fact in subsets.items()}
    assert after.vocabulary.names == tuple(sorted(before.vocabulary.names))


def test_what_the_format_cannot_say_is_refused(tmp_path):
    diving = [("v 1", "Diving", 0.0, 1.0)]
    with pytest.raises(InputError, match="video id 'v 1' holds white space"):
        write_predictions(make_predictions([(*diving[0], 0.5)]), tmp_path / "run.txt")
    with pytest.raises(InputError, match="unknown class 'Divin'") as caught:
        write_predictions(make_predictions([("v", "Divin", 0.0, 1.0, 0.5)]), tmp_path / "run.txt")
    assert "did you mean 'Diving'" in caught.value.hint
    with pytest.raises(InputError, match="subset 'training'"):
        write_annotations(make_annotations([("v", "Diving", 0.0, 1.0)], {"v": ("training", 1, "")}), tmp_path / "f")
    with pytest.raises(InputError, match=r"'a/b_test.txt' cannot be a file's name"):
        write_annotations(make_annotations([("v", "a/b", 0.0, 1.0)], {"v": ("testing", 1, "")}), tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_stays_as_it_is(folder):
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(OutputError, match="cannot be written"):
        write_annotations(make_annotations([("v", "Diving", 0.0, 1.0)], {"v": ("testing", 1, "")}), folder)
    assert sorted(path.name for path in folder.iterdir()) == before
    assert [path.name for path in folder.parent.iterdir()] == ["annotation"]  # and nothing temporary


@pytest.mark.golden
def test_the_devkits_own_run_and_annotations_as_text(shared_data, tmp_path):
    """The shared JSON was made from the devkit's text: writing it as such text and reading that gives it back."""
    truth = read_json(shared_data("evaluation") / "gt_thumos14_test.json")
    write_annotations(truth, tmp_path / "annotation")
    again = read_annotations(tmp_path / "annotation", "error")
    assert sorted(told(again)) == sorted(told(truth))
    assert (len(again.segments), len(again.vocabulary), again.subsets()) == (3358, 20, ("testing",))
    run = json.loads((shared_data("evaluation") / "thumos_devkit_run2_val.json").read_text())
    lines = [
        f"{video} {row['segment'][0]} {row['segment'][1]} {THUMOS14_CLASSES.id_of(row['label'])} {row['score']}\n"
        for video, rows in run["results"].items()
        for row in rows
    ]
    found = read_predictions(put(tmp_path / "run.txt", "".join(lines)))
    ends = [row["segment"] for rows in run["results"].values() for row in rows]
    assert (len(lines), sum(start > end for start, end in ends)) == (3007, 1123)
    assert found.num_dropped == sum(start >= end for start, end in ends) == 3007 - len(found.segments)
