"""Generic CSV: which rows and columns are read, what is refused on which line, and that writing gives it back."""

import math

import numpy as np
import pytest
from factories_formats import (
    NAME,
    columns,
    facts_of,
    make_annotations,
    make_predictions,
    prediction_rows,
    put,
    told,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tsmfeat.errors import InputError
from tsmfeat.formats.generic_csv import read_annotations, read_predictions, write_annotations, write_predictions
from tsmfeat.values.vocabulary import Vocabulary

GUESS = "video_id,label,start,end,score\nv,run,0,2.5,0.75\nw,walk,-1,900,1e-3\nx,,,,\nv,walk,3,4,1\n"
TRUTH = (
    "label,start,end,video_id,subset,duration,scene,url\n"
    "run,0,2.5,v,training,12.5,park,http\n"
    "walk,3,4,w,,,,\n"
    "walk,5,6,v,training,,park,\n"
    ",,,x,testing,7,,\n"
)


def test_predictions_are_read_in_the_order_of_the_file(tmp_path):
    found = read_predictions(put(tmp_path / "p", GUESS), "error")
    assert (found.video_ids, found.vocabulary.names) == (("v", "w", "x"), ("run", "walk"))
    assert columns(found.segments) == [(0, 0, 0, 2.5, 0.75), (1, 1, -1, 900, 0.001), (0, 1, 3, 4, 1)]
    assert found.scenes().shape == (3, 0)


def test_annotations_are_read_with_facts_of_their_videos_in_any_order_of_columns(tmp_path):
    found = read_annotations(put(tmp_path / "a", TRUTH), "error")
    assert told(found) == [("v", "run", 0, 2.5, 1), ("w", "walk", 3, 4, 1), ("v", "walk", 5, 6, 1)]
    assert facts_of(found) == {"v": ("training", 12.5, "park"), "w": ("", None, ""), "x": ("testing", 7.0, "")}


def test_blank_lines_spaces_and_line_ends_of_other_systems_are_passed_over(tmp_path):
    found = read_predictions(put(tmp_path / "p", GUESS.replace("\n", "\r\n\r\n").replace(",0,2.5,", ", 0 ,2.5 ,")))
    assert told(found)[0] == ("v", "run", 0, 2.5, 0.75)
    assert len(found.segments) == 3


def test_quoted_names_hold_commas_quotes_and_lines(tmp_path):
    text = 'video_id,label,start,end,score\n"a,b","say ""hi""",0,1,0.5\n"c\nd",run,1,1,0.5\n'
    found = read_predictions(put(tmp_path / "p", text))
    assert (found.video_ids, found.vocabulary.names) == (("a,b", "c\nd"), ('say "hi"', "run"))
    # A line's number is that of its first line.
    with pytest.raises(InputError, match=r"p:3: segment"):
        read_predictions(tmp_path / "p", "error")


def test_a_given_vocabulary_numbers_the_labels_and_refuses_others(tmp_path):
    path = put(tmp_path / "a", TRUTH)
    found = read_annotations(path, "error", Vocabulary(("walk", "eat", "run")))
    assert found.vocabulary.names == ("walk", "eat", "run")
    assert found.segments.label.tolist() == [2, 0, 0]
    with pytest.raises(
        InputError, match=r"a:3: class 'walk' is not among the 2 classes given \(2 rows\); did you mean"
    ):
        read_annotations(path, "drop", Vocabulary(("run", "wlak")))


def test_of_many_unknown_labels_each_is_listed_and_the_first_get_a_guess(tmp_path):
    rows = "".join(f"v,walc{k // 2},1,2\n" for k in range(60))
    with pytest.raises(InputError) as caught:
        read_annotations(put(tmp_path / "a", "video_id,label,start,end\n" + rows), "drop", Vocabulary(("walk",)))
    problems = caught.value.problems
    assert [line.split(":")[1] for line in problems] == [str(line) for line in range(2, 62, 2)]
    assert all("(2 rows)" in line for line in problems)
    assert ["did you mean 'walk'?" in line for line in problems] == [True] * 20 + [False] * 10


def test_a_header_of_no_table_of_ours_is_named_shortly(tmp_path):
    names = [f"column {k}" for k in range(1000)]
    for header, story in ((names, "lacks video_id"), ([*names, names[7]], "column 'column 7' occurs twice")):
        with pytest.raises(InputError, match=story) as caught:
            read_annotations(put(tmp_path / "a", ",".join(header) + "\n"))
        assert len(caught.value.message) < 400


def test_rows_that_contradict_each_other_are_named(tmp_path):
    path = put(tmp_path / "a", TRUTH.replace("walk,5,6,v,training,", "walk,5,6,v,testing,"))
    with pytest.raises(InputError, match=r"a:4: subset 'testing', but 'training' in an earlier row of video 'v'"):
        read_annotations(path)


@pytest.mark.parametrize("duration", ["0", "-3", "nan", "1e999"])
def test_a_duration_that_cannot_be_is_unknown_or_refused(tmp_path, duration):
    path = put(tmp_path / "a", f"video_id,label,start,end,duration\nv,run,0,1,{duration}\n")
    assert np.isnan(read_annotations(path).duration_seconds).all()
    with pytest.raises(InputError, match=f"duration '{duration}' of video 'v'; a duration is a positive"):
        read_annotations(path, "error")


def test_a_duration_that_is_no_number_is_refused(tmp_path):
    with pytest.raises(InputError, match="duration 'long' of video 'v'"):
        read_annotations(put(tmp_path / "a", "video_id,label,start,end,duration\nv,run,0,1,long\n"))


@pytest.mark.parametrize(
    ("row", "story"),
    [
        ("v,run,0,1", ":3: 4 cells; the header has 5 columns"),
        ("v,run,0,1,0.5,7", ":3: 6 cells; the header has 5 columns"),
        ("v,run,0,one,0.5", ":3: end 'one'; a number in plain digits is expected"),
        ("v,run,0,,0.5", ":3: end ''; a number"),
        ("v,run,true,1,0.5", ":3: start 'true'; a number"),
        ("v,run,0,null,0.5", ":3: end 'null'; a number"),
        ("v,run,٠,1,0.5", ":3: start '٠'; a number"),
        ("v,run,0,1_000,0.5", ":3: end '1_000'; a number"),
        ("v,run,0,0x10,0.5", ":3: end '0x10'; a number"),
        ("v,run,0,1,", ":3: score ''; a number"),
        ("v,,0,1,0.5", ":3: the label is empty"),
        (",run,0,1,0.5", ":3: the video id is empty"),
        ("v,run,0,1,nan", ":3: the score is NaN"),
    ],
)
@pytest.mark.parametrize("invalid", ["drop", "error"])
def test_a_bad_row_is_named_by_its_line(tmp_path, row, story, invalid):
    path = put(tmp_path / "p.csv", f"video_id,label,start,end,score\nu,run,0,1,0.5\n{row}\n")
    with pytest.raises(InputError) as caught:
        read_predictions(path, invalid)
    assert caught.value.message.startswith(str(path) + story)
    assert caught.value.hint


def test_all_problems_of_a_file_are_listed_at_once(tmp_path):
    rows = "v,run,0\nv,run,x,1,0.5\nv,run,2,1,0.5\nv,run,0,1,nan\n"
    with pytest.raises(InputError) as caught:
        read_predictions(put(tmp_path / "p.csv", "video_id,label,start,end,score\n" + rows), "error")
    message = caught.value.message
    for story in (
        "4 problems",
        "p.csv:2: 3 cells",
        "p.csv:3: start 'x'",
        "p.csv:4: segment",
        "p.csv:5: the score is NaN",
    ):
        assert story in message, message


@pytest.mark.golden
def test_a_hundred_thousand_rows_are_read_in_about_a_second(tmp_path):
    rows = "".join(f"video {k % 997},action {k % 31},{k / 8},{k / 8 + 2.5},0.{k:06}\n" for k in range(100_000))
    found = read_predictions(put(tmp_path / "p.csv", "video_id,label,start,end,score\n" + rows), "error")
    assert (len(found.segments), len(found.video_ids), len(found.vocabulary)) == (100_000, 997, 31)
    assert found.segments.start[-1] == 99_999 / 8


@given(prediction_rows())
@settings(max_examples=50, deadline=None)
def test_predictions_come_back_as_they_were(tmp_path_factory, drawn):
    videos, rows = drawn
    before = make_predictions(rows, videos)
    path = tmp_path_factory.getbasetemp() / "round.csv"
    write_predictions(before, path)
    after = read_predictions(path, "error")
    assert told(after) == told(before)
    assert set(after.video_ids) == set(before.video_ids)


@given(
    prediction_rows(),
    st.lists(st.tuples(st.just("") | NAME, st.just(math.nan) | st.floats(0.1, 1e6), st.just("") | NAME), min_size=4),
)
@settings(max_examples=50, deadline=None)
def test_annotations_come_back_as_they_were(tmp_path_factory, drawn, facts):
    videos, rows = drawn
    before = make_annotations([row[:4] for row in rows], dict(zip(videos, facts, strict=False)))
    path = tmp_path_factory.getbasetemp() / "round.csv.gz"
    write_annotations(before, path)
    after = read_annotations(path, "error")
    assert told(after) == told(before)
    assert facts_of(after) == facts_of(before)


def test_what_is_written_is_the_plain_table(tmp_path):
    write_predictions(read_predictions(put(tmp_path / "p", GUESS)), tmp_path / "q.csv")
    assert (tmp_path / "q.csv").read_text() == (
        "video_id,label,start,end,score\nv,run,0.0,2.5,0.75\nw,walk,-1.0,900.0,0.001\nv,walk,3.0,4.0,1.0\nx,,,,\n"
    )
    write_annotations(make_annotations([("v", "run", 0.0, 1.0)]), tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text() == "video_id,label,start,end\nv,run,0.0,1.0\n"
