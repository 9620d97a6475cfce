"""BinEgo-360 CSV: bins exactly as the challenge's kit cuts them, and both forms back as they were."""

import csv
import io
import json
import math

import numpy as np
import pytest
from factories_formats import TIME, columns, make_annotations, make_predictions, prediction_rows, put, told
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_binego360 import cut_solution, cut_submission

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.formats.binego360 import read_annotations, read_predictions, read_sample_ids
from tsmfeat.formats.binego360_bins import cut_prediction, cut_truth, join_pieces, split_bin_id
from tsmfeat.formats.binego360_writing import encode_annotations, encode_predictions
from tsmfeat.formats.classes import ClassList
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary

ACTIONS = ClassList(Vocabulary(("walking", "operating phone", "pouring")))
SOLUTION = (
    "id,label,Usage\n"
    'kitchen_0_10,"[[1, 0.5, 10], [3, 2.0, 4.5]]",Public\n'
    'kitchen_10_20,"[[1, 10, 12.3]]",Public\n'
    'a_b_40_50,"[[2, 41, 42]]",Private\n'
)


def table(content):
    return list(csv.reader(io.StringIO(content.decode())))


def test_a_solution_in_bins_is_read_as_segments_of_its_videos(tmp_path):
    found = read_annotations(put(tmp_path / "gt.csv", SOLUTION), "error", ACTIONS)
    assert (found.video_ids, found.subset) == (("kitchen", "a_b"), ("Public", "Private"))
    assert found.vocabulary == ACTIONS.vocabulary
    assert columns(found.segments) == [(0, 0, 0.5, 10, 1), (0, 2, 2, 4.5, 1), (0, 0, 10, 12.3, 1), (1, 1, 41, 42, 1)]
    assert np.isnan(found.duration_seconds).all()
    assert len(found.scene_vocabulary) == 0


def test_without_a_class_list_ids_are_names(tmp_path):
    assert read_annotations(put(tmp_path / "gt.csv", SOLUTION)).vocabulary.names == ("1", "3", "2")


def test_pieces_are_joined_when_asked(tmp_path):
    path = put(tmp_path / "gt.csv", SOLUTION)
    found = read_annotations(path, "error", ACTIONS, "join")
    assert columns(found.segments) == [(0, 0, 0.5, 12.3, 1), (0, 2, 2, 4.5, 1), (1, 1, 41, 42, 1)]
    with pytest.raises(ConfigurationError, match="did you mean 'join'"):
        read_annotations(path, pieces="jion")


def test_a_submission_of_whole_videos_is_read(tmp_path):
    text = 'id,prediction\nv_1,"[[1, 0.5, 27.25, 0.9], [9, 3, 4, 1e-3]]"\nv_0_10,[]\n'
    found = read_predictions(put(tmp_path / "p.csv", text), classes=ACTIONS)
    # One id is no bin's: none is.
    assert found.video_ids == ("v_1", "v_0_10")
    assert told(found) == [("v_1", "walking", 0.5, 27.25, 0.9), ("v_1", "9", 3, 4, 0.001)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("v_0_10", ("v", 0)),
        ("v_-10_0", ("v", -10)),
        ("a_0_10_20_30", ("a_0_10", 20)),
        ("v_5_15", None),
        ("v_0_20", None),
        ("_0_10", None),
        ("v_0.0_10.0", None),
        ("v_٠_١٠", None),
        ("v", None),
    ],
)
def test_ids_of_bins_are_told_from_those_of_videos(name, expected):
    assert split_bin_id(name) == expected


# --- cells ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["[[1, 0, 2.5]]", "[(1, 0.0, 2.5)]", "[[1.0, 0, 2.5],]", "((1, 0, 2.5),)"])
def test_cells_are_json_or_python(tmp_path, cell):
    found = read_annotations(put(tmp_path / "gt.csv", f'id,label,Usage\nv,"{cell}",Public\n'), "error", ACTIONS)
    assert told(found) == [("v", "walking", 0, 2.5, 1)]


@pytest.mark.parametrize(
    ("cell", "story"),
    [
        ("", "no list of lists"),
        ("17", "the cell holds the number 17, as in tables of scenes; it reads [[class_id, start, end], ...]"),
        ("{}", "holds dict"),
        ("[1]", "entry 0 holds int"),
        ("[[1, 0]]", "entry 0 holds 2 values; it reads [class_id, start, end]"),
        ("[[1, 0, 2.5, 0.9]]", "entry 0 holds 4 values"),
        ("[[1, 0, 2], [1, true, 2.5]]", "entry 1: start is True; a number"),
        ("[[1, 0, null]]", "entry 0: end is None; a number"),
        ("[[1, 0, '2']]", "entry 0: end is 2; a number"),
        ("[[1.5, 0, 2]]", "class id 1.5; an id is a whole number"),
        ("[[-1, 0, 2]]", "class id -1; an id is a whole number"),
        ("[[NaN, 0, 2]]", "class id nan; an id is a whole number"),
        (f"[[{'9' * 400}, 0, 2]]", "an integer out of range; an id is a whole number"),
        (f"[[1, 0, {'9' * 400}]]", "a number out of range"),
        (f"[[1, 0, {'9' * 5000}]]", "no list of lists"),
        ("[[1, 0, 1_000]]", "'_'; a number has plain digits"),
        ("[[1, ٠, 2]]", "no list of lists"),
        ("__import__('os').getcwd()", "no list of lists"),
        ("[[1, 0, 2", "no list of lists"),
        ("[" * 5000, "no list of lists"),
        ("-" * 100_000, "no list of lists"),
        ("1j+" * 100_000 + "1j", "no list of lists"),
    ],
)
@pytest.mark.parametrize("invalid", ["drop", "keep", "error"])
def test_a_cell_that_breaks_a_rule_is_named_by_its_line(tmp_path, cell, story, invalid):
    path = put(tmp_path / "gt.csv", f'id,label,Usage\nu,[],Public\nv,"{cell}",Public\n')
    with pytest.raises(InputError) as caught:
        read_annotations(path, invalid)
    assert caught.value.message.startswith(f"{path}:3: ")
    assert story in caught.value.message
    assert len(caught.value.message) < 500


@pytest.mark.golden
def test_a_cell_of_sixteen_megabytes_is_read_in_bounded_time(tmp_path):
    cell = "[" + ", ".join(["[1, 0.5, 2.25]"] * 1_000_000) + "]"
    assert 15e6 < len(cell) < 16 << 20
    path = put(tmp_path / "gt.csv", f'id,label,Usage\nv,"{cell}",Public\n')
    assert len(read_annotations(path).segments) == 1_000_000
    # As Python alone could read it, it would take gigabytes: refused.
    path = put(tmp_path / "gt.csv", f'id,label,Usage\nv,"{cell[:-1]},]",Public\n')
    with pytest.raises(InputError, match=r":2: the cell is no list of lists"):
        read_annotations(path)


def test_repeated_ids_are_refused_only_when_asked(tmp_path):
    path = put(tmp_path / "gt.csv", 'id,label,Usage\nv,"[[1, 0, 2]]",Public\nw,[],Public\nv,"[[1, 5, 6]]",Public\n')
    found = read_annotations(path)
    assert (found.video_ids, told(found)) == (("v", "w"), [("v", "1", 5, 6, 1)])  # the last one counts, as in JSON
    with pytest.raises(InputError, match=r"gt.csv:4: id 'v' occurs twice, first on line 2"):
        read_annotations(path, "error")


def test_pieces_outside_their_bin_are_refused_only_when_asked(tmp_path):
    path = put(tmp_path / "gt.csv", 'id,label,Usage\nv_20_30,"[[1, 1.5, 4]]",Public\n')
    assert len(read_annotations(path).segments) == 1
    with pytest.raises(InputError, match=r"lies outside its bin, 20 to 30 s; times are those of the whole video"):
        read_annotations(path, "error")


def test_a_video_of_two_usages_is_refused(tmp_path):
    path = put(tmp_path / "gt.csv", "id,label,Usage\nv_0_10,[],Public\nv_10_20,[],Private\n")
    with pytest.raises(InputError, match=r":3: Usage 'Private', but 'Public'"):
        read_annotations(path)


def test_a_class_id_without_a_name_is_an_error_in_annotations_and_a_name_in_predictions(tmp_path):
    path = put(tmp_path / "gt.csv", 'id,label,Usage\nv,"[[1, 0, 2], [7, 3, 4]]",Public\n')
    with pytest.raises(InputError, match=r":2: class '7' is not among the 3 classes given"):
        read_annotations(path, classes=ACTIONS)
    path = put(tmp_path / "p.csv", 'id,prediction\nv,"[[7, 3, 4, 0.5]]"\n')
    assert read_predictions(path, classes=ACTIONS).vocabulary.names == ("7",)
    with pytest.raises(InputError, match=r":2: entry 0: class id 7 has no name"):
        read_predictions(path, "error", ACTIONS)


# --- writing ----------------------------------------------------------------------------------------------------------


def test_a_hand_worked_solution_is_cut_as_the_kit_does():
    truth = make_annotations(
        [
            ("v", "walking", 5.5, 21.25),  # the last piece: 1.25 s
            ("v", "pouring", 9.6, 10.4),  # two pieces of 0.4 s: nothing is left
            ("w", "walking", 29.5, 30.0),  # half a second: kept
        ],
        {"v": ("Public", 60.0, ""), "w": ("", 60.0, "")},
    )
    content, lost = encode_annotations(truth, ACTIONS)
    assert content.decode() == (
        "id,label,Usage\n"
        'v_0_10,"[[1, 5.5, 10]]",Public\n'
        'v_10_20,"[[1, 10, 20]]",Public\n'
        'v_20_30,"[[1, 20, 21.2]]",Public\n'  # Python's rounding: half to even
        'w_20_30,"[[1, 29.5, 30.0]]",Private\n'
    )
    assert lost == ("1 segments without a piece of half a second",)


def test_a_hand_worked_submission_is_cut_and_rounded_on_output_only():
    guess = make_predictions([("v", "walking", 9.97, 10.33, 0.5), ("v", "pouring", 12.0, 12.04, 0.25)])
    content, lost = encode_predictions(guess, ACTIONS)
    assert content.decode() == 'id,prediction\nv_10_20,"[[1, 10, 10.3, 0.5]]"\n'
    assert lost == ("1 segments that rounding leaves without length",)
    content, lost = encode_predictions(guess, ACTIONS, ["w_0_10", "v_10_20", "v_20_30"])
    assert content.decode() == 'id,prediction\nw_0_10,[]\nv_10_20,"[[1, 10, 10.3, 0.5]]"\nv_20_30,[]\n'
    content, lost = encode_predictions(guess, ACTIONS, ["v_0_10"])
    assert (content.decode(), len(lost)) == ("id,prediction\nv_0_10,[]\n", 2)
    assert "1 pieces in rows that the sample does not have" in lost
    content, lost = encode_predictions(guess, ACTIONS, ["v", "w"])  # a sample of whole videos
    assert content.decode() == 'id,prediction\nv,"[[1, 9.97, 10.33, 0.5], [3, 12.0, 12.04, 0.25]]"\nw,[]\n'
    assert lost == ()


@given(prediction_rows(st.sampled_from(["v", "w_1", "x y"]), st.sampled_from(["1", "2", "34"])))
@settings(max_examples=60, deadline=None)
def test_solutions_are_cut_as_the_naive_twin_does(drawn):
    videos, rows = drawn
    truth = make_annotations([row[:4] for row in rows], {video: ("Public", 1.0, "") for video in videos})
    kit = [
        (video, str([[int(label), start, end] for other, label, start, end, _ in rows if other == video]), "Public")
        for video in videos
    ]
    content, _ = encode_annotations(truth)
    assert [tuple(row) for row in table(content)[1:]] == cut_solution(kit)


@given(prediction_rows(st.sampled_from(["v", "w"]), st.sampled_from(["1", "2"]), max_rows=3), st.booleans())
@settings(max_examples=15, deadline=None)
def test_submissions_are_cut_as_the_naive_twin_does(drawn, with_sample):
    videos, rows = drawn
    rows = [(v, c, max(s, -900.0) % 5000, max(s, -900.0) % 5000 + (e - s), p) for v, c, s, e, p in rows]
    sample = ["v_0_10", "w_10_20", "v_100_110"] if with_sample else None
    content, _ = encode_predictions(make_predictions(rows, videos), None, sample)
    kit = [(video, [(int(c), s, e, p) for other, c, s, e, p in rows if other == video]) for video in videos]
    written = {name: json.loads(cell) for name, cell in table(content)[1:]}
    assert written == cut_submission(kit, sample)
    if sample:
        assert list(written) == sample


@given(prediction_rows(label=st.sampled_from(["1", "7", "34"])))
@settings(max_examples=40, deadline=None)
def test_whole_videos_come_back_as_they_were(tmp_path_factory, drawn):
    videos, rows = drawn
    rows.sort(key=lambda row: videos.index(row[0]))
    path = tmp_path_factory.getbasetemp() / "whole.csv"
    guess = make_predictions(rows, videos)
    path.write_bytes(encode_predictions(guess, binned=False)[0])
    again = read_predictions(path, "error")
    assert (again.video_ids, told(again)) == (guess.video_ids, told(guess))
    truth = make_annotations([row[:4] for row in rows], {video: ("Public", 5.0, "") for video in videos})
    path.write_bytes(encode_annotations(truth, binned=False)[0])
    again = read_annotations(path, "error")
    assert (again.video_ids, again.subset, told(again)) == (truth.video_ids, truth.subset, told(truth))


@given(st.lists(st.tuples(TIME, st.floats(0.5, 60)), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_bins_come_back_as_they_were_written(tmp_path_factory, spans):
    """What was cut and rounded once is not changed again."""
    path = tmp_path_factory.getbasetemp() / "bins.csv"
    truth = make_annotations([("v", "1", start, start + length) for start, length in spans])
    first, _ = encode_annotations(truth)
    path.write_bytes(first)
    again = read_annotations(path, "error")
    second, lost = encode_annotations(again)
    assert lost == ()
    assert [[row[0], json.loads(row[1])] for row in table(second)[1:]] == [
        [row[0], json.loads(row[1])] for row in table(first)[1:]
    ]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 900), st.integers(6, 400)), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_joined_pieces_are_the_segments_that_were_cut(spans):
    """On a grid of a tenth of a second, with a score of its own each: joining undoes cutting."""
    whole = [
        (video, start / 10, (start + length) / 10, 1 / (turn + 1)) for turn, (video, start, length) in enumerate(spans)
    ]
    pieces = [
        (video, left, right, score)
        for video, start, end, score in whole
        for _, left, right in cut_prediction(start, end)
    ]
    video, start, end, score = zip(*pieces, strict=True)
    joined = join_pieces(Segments(video, [0] * len(pieces), start, end, score))
    found = zip(joined.video.tolist(), joined.start.tolist(), joined.end.tolist(), joined.score.tolist(), strict=True)
    assert sorted(found) == sorted(whole)


def test_pieces_join_only_at_the_edges_of_bins_and_among_equals():
    def rows(*listed):
        video, label, start, end, score = zip(*listed, strict=True)
        return columns(join_pieces(Segments(video, label, start, end, score)))

    apart = [
        (0, 0, 1.0, 5.0, 1.0),
        (0, 0, 5.0, 8.0, 1.0),  # meets the first, but not at an edge
        (0, 0, 9.0, 10.0, 0.5),
        (0, 0, 10.0, 11.0, 0.25),  # another score
        (0, 1, 15.0, 20.0, 1.0),
        (0, 2, 20.0, 21.0, 1.0),  # another label
        (1, 1, 20.0, 21.0, 1.0),  # another video
    ]
    assert rows(*apart) == apart
    assert join_pieces(Segments.empty()).start.tolist() == []
    # Rows that were kept as they stand: of no length at an edge, reversed, not finite.
    odd = [(0, 0, 10.0, 10.0, 1.0), (0, 0, 20.0, 10.0, 1.0), (0, 0, 20.0, math.inf, 1.0), (0, 0, -math.inf, 10.0, 2.0)]
    assert rows(*odd) == odd
    # Two that end at an edge, and one that begins there: it is joined once.
    assert rows((0, 0, 5, 10, 1), (0, 0, 7, 10, 1), (0, 0, 10, 12, 1)) == [(0, 0, 5, 12, 1), (0, 0, 7, 10, 1)]


def test_pieces_shorter_than_half_a_second_are_left_out_of_truth_alone():
    assert list(cut_truth(9.51, 10.49)) == []
    assert [piece[1:] for piece in cut_prediction(9.51, 10.49)] == [(9.5, 10), (10, 10.5)]


@pytest.mark.parametrize(
    ("rows", "story"),
    [
        ([("v", "wlaking", 0.0, 1.0, 0.5)], "did you mean 'walking'"),
        ([("v", "walking", 0.0, 2e6, 0.5)], "lasts 2000000 s"),
        ([("v", "walking", 0.0, float("inf"), 0.5)], "not finite"),
    ],
)
def test_what_cannot_be_written_is_refused(rows, story):
    with pytest.raises(InputError, match=story):
        encode_predictions(make_predictions(rows), ACTIONS)


def test_names_without_ids_ask_for_a_class_list():
    with pytest.raises(InputError, match="'walking' has no id") as caught:
        encode_predictions(make_predictions([("v", "walking", 0.0, 1.0, 0.5)]))
    assert "--classes" in caught.value.hint


def test_videos_named_like_bins_are_not_written_as_whole_videos():
    with pytest.raises(InputError, match="look like those of bins"):
        encode_predictions(make_predictions([("v_0_10", "1", 0.0, 1.0, 0.5)]), binned=False)


@pytest.mark.parametrize("text", ["id,prediction\nv_0_10,[]\nv_0_10,[]\n", "id,prediction\n", 'id,prediction\n"",[]\n'])
def test_a_sample_has_ids_once_each(tmp_path, text):
    with pytest.raises(InputError, match=r"occurs 2 times|no ids, or empty ones"):
        read_sample_ids(put(tmp_path / "sample.csv", text))
