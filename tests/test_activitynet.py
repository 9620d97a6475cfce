"""ActivityNet JSON: what is read, what is refused and where, and that writing gives it back."""

import gzip
import json
import math

import numpy as np
import pytest
from conftest import DATA
from hypothesis import given, settings
from hypothesis import strategies as st

from tsmfeat.errors import ConfigurationError, InputError, OutputError
from tsmfeat.formats.activitynet import read_annotations, read_predictions, write_annotations, write_predictions
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary

TRUTH = {
    "version": "VERSION 1.3",
    "taxonomy": [{"nodeName": "Root"}],
    "database": {
        "v1": {
            "duration": 12.5,
            "subset": "training",
            "resolution": "320x240",
            "url": "https://example.org",
            "annotations": [{"label": "walk", "segment": [0, 2.5]}, {"label": "run", "segment": [3.0, 4]}],
            "scene": "park",
        },
        "v2": {"subset": "validation", "annotations": [{"label": "walk", "segment": [1.0, 2.0], "id": 7}]},
        "v3": {"annotations": [], "duration": None, "scene": "shop"},
    },
}
GUESS = {
    "version": "VERSION 1.3",
    "results": {
        "v1": [
            {"label": "run", "segment": [0, 2], "score": 1},
            {"label": "walk", "segment": [1.5, 2.5], "score": 0.25},
        ],
        "v2": [],
        "v3": [{"label": "run", "segment": [-1.0, 900.0], "score": -3.5}],
    },
    "scenes": {"v1": [{"label": "park", "score": 0.75}, {"label": "shop", "score": 0.25}], "v9": []},
    "external_data": {"used": False},
}


@pytest.fixture
def put(tmp_path):
    """Write a value, a text or bytes to a file and return its path."""

    def write(content, name="file.json"):
        path = tmp_path / name
        if not isinstance(content, bytes):
            content = (content if isinstance(content, str) else json.dumps(content)).encode()
        path.write_bytes(content)
        return path

    return write


def columns(segments):
    names = ("video", "label", "start", "end", "score")
    return list(zip(*(getattr(segments, name).tolist() for name in names), strict=True))


def rows_of(*rows):
    """A prediction file of one video; rows: (label, segment, score)."""
    return {"results": {"v": [{"label": label, "segment": ends, "score": score} for label, ends, score in rows]}}


def message_of(read, path, invalid="drop"):
    with pytest.raises(InputError) as caught:
        read(path, invalid)
    message = caught.value.message
    assert message.startswith(str(path))
    assert "\n" not in message
    assert caught.value.hint
    return message


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("invalid", ["drop", "keep", "error"])
def test_annotations_are_read_with_all_they_tell(put, invalid):
    found = read_annotations(put(TRUTH), invalid)
    assert found.video_ids == ("v1", "v2", "v3")
    assert found.vocabulary.names == ("walk", "run")
    assert columns(found.segments) == [(0, 0, 0.0, 2.5, 1.0), (0, 1, 3.0, 4.0, 1.0), (1, 0, 1.0, 2.0, 1.0)]
    assert found.duration_seconds == pytest.approx([12.5, math.nan, math.nan], nan_ok=True)
    assert found.subset == ("training", "validation", "")
    assert (found.scene_vocabulary.names, found.scene.tolist()) == (("park", "shop"), [0, -1, 1])
    assert found.num_dropped == 0


@pytest.mark.parametrize("invalid", ["drop", "keep", "error"])
def test_predictions_are_read_in_the_order_of_the_file(put, invalid):
    found = read_predictions(put(GUESS), invalid)
    assert found.video_ids == ("v1", "v2", "v3", "v9")  # v9 has scenes only
    assert found.vocabulary.names == ("run", "walk")
    assert columns(found.segments) == [(0, 0, 0.0, 2.0, 1.0), (0, 1, 1.5, 2.5, 0.25), (2, 0, -1.0, 900.0, -3.5)]
    assert found.scene_vocabulary.names == ("park", "shop")
    nan = math.nan
    assert found.scenes() == pytest.approx(np.array([[0.75, 0.25], [nan, nan], [nan, nan], [nan, nan]]), nan_ok=True)


def test_a_file_without_scenes_has_no_scene_vocabulary(put):
    found = read_predictions(put({"results": {"v1": []}}))
    assert (len(found.segments), len(found.scene_vocabulary), found.scenes().shape) == (0, 0, (1, 0))


@pytest.mark.parametrize("wrap", [gzip.compress, b"\xef\xbb\xbf".__add__, lambda b: gzip.compress(b"\xef\xbb\xbf" + b)])
@pytest.mark.parametrize("invalid", ["drop", "error"])
def test_gzip_and_byte_order_marks_are_known_by_content(put, wrap, invalid):
    path = put(wrap(json.dumps(TRUTH).encode()), "no-suffix")
    assert read_annotations(path, invalid).vocabulary.names == ("walk", "run")


def test_utf_16_is_read(put):
    assert read_annotations(put(json.dumps(TRUTH).encode("utf-16"))).video_ids == ("v1", "v2", "v3")


def test_a_path_may_be_a_text(put):
    assert len(read_predictions(str(put(GUESS))).segments) == 3


# --- invalid segments -------------------------------------------------------------------------------------------------

BAD_ENDS = ["[2, 2]", "[3, 2]", "[NaN, 2]", "[0, Infinity]", "[0, 1e999]", "[-Infinity, 5]"]


@pytest.mark.parametrize("ends", BAD_ENDS)
def test_invalid_segments_are_dropped_kept_or_refused(put, ends):
    text = (
        '{"results": {"v": [{"label": "a", "segment": [0, 1], "score": 0.5}, '
        f'{{"label": "b", "segment": {ends}, "score": 0.5}}, '
        '{"label": "c", "segment": [4, 5], "score": 0.5}]}}'
    )
    path = put(text)
    dropped = read_predictions(path)
    assert ([row[1] for row in columns(dropped.segments)], dropped.num_dropped) == ([0, 2], 1)
    kept = read_predictions(path, "keep")
    assert (len(kept.segments), kept.num_dropped) == (3, 0)
    expected = json.loads(ends)
    assert [kept.segments.start[1], kept.segments.end[1]] == pytest.approx(expected, nan_ok=True)
    message = message_of(read_predictions, path, "error")
    assert "results['v'][1]: segment" in message
    assert "a segment ends after its start" in message


def test_invalid_annotations_are_dropped_and_counted(put):
    truth = {"database": {"v": {"annotations": [{"label": "a", "segment": [5, 5]}, {"label": "b", "segment": [0, 1]}]}}}
    found = read_annotations(put(truth))
    # The vocabulary is that of the whole file: the dropped row's class keeps its place.
    assert (found.vocabulary.names, columns(found.segments), found.num_dropped) == (("a", "b"), [(0, 1, 0, 1, 1)], 1)
    assert "database['v'].annotations[0]" in message_of(read_annotations, put(truth), "error")


def test_infinite_scores_are_dropped_like_infinite_ends(put):
    path = put('{"results": {"v": [{"label": "a", "segment": [0, 1], "score": Infinity}]}}')
    assert read_predictions(path).num_dropped == 1
    assert read_predictions(path, "keep").segments.score.tolist() == [math.inf]


def test_a_nan_score_is_an_error_unless_kept(put):
    path = put(rows_of(("a", [0, 1], 0.5), ("a", [0, 1], math.nan)))
    for invalid in ("drop", "error"):
        assert "results['v'][1]: the score is NaN" in message_of(read_predictions, path, invalid)
    assert np.isnan(read_predictions(path, "keep").segments.score).tolist() == [False, True]


def test_repeated_videos_are_refused_only_when_asked(put):
    path = put('{"database": {"v": {"annotations": []}, "v": {"annotations": [{"label": "a", "segment": [0, 1]}]}}}')
    assert len(read_annotations(path).segments) == 1  # the last one counts
    assert "key 'v' occurs twice" in message_of(read_annotations, path, "error")


@pytest.mark.parametrize("duration", ["0", "-3", "NaN", "1e999"])
def test_a_duration_that_cannot_be_is_unknown_or_refused(put, duration):
    path = put(f'{{"database": {{"v": {{"duration": {duration}, "annotations": []}}}}}}')
    assert np.isnan(read_annotations(path).duration_seconds).all()
    assert "database['v'].duration" in message_of(read_annotations, path, "error")


def test_twenty_problems_are_listed_and_the_rest_counted(put):
    message = message_of(read_predictions, put(rows_of(*[("a", [k, k], 0.5) for k in range(50)])), "error")
    assert "50 problems" in message
    assert "results['v'][19]" in message
    assert "results['v'][20]" not in message
    assert message.endswith("and 30 more")


def test_of_problems_that_say_the_same_three_are_listed(put):
    rows = [*({"segment": [0, 1], "score": 0.5} for _ in range(50)), {"segment": [0, 1], "label": "a"}]
    message = message_of(read_predictions, put(json.dumps({"results": {"v": rows}})), "error")
    assert "51 problems" in message
    assert "results['v'][2]: object missing required field `label` (and 47 more like these); " in message
    assert "results['v'][3]" not in message
    assert message.endswith("results['v'][50]: object missing required field `score`")


def test_problems_of_all_kinds_are_listed_together(put):
    path = put(rows_of(("a", [0, 1], "high"), ("a", [2, 1], 0.5), ("a", [0, 1], math.nan)))
    message = message_of(read_predictions, path, "error")
    for place in ("results['v'][0].score: expected `float`, got `str`", "results['v'][1]: segment", "results['v'][2]"):
        assert place in message


def test_an_unknown_choice_is_refused(put):
    with pytest.raises(ConfigurationError, match="did you mean 'drop'"):
        read_annotations(put(TRUTH), "dorp")


# --- fields that break a rule -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ('{"label": "a", "segment": [0, 1], "score": true}', "results['v'][1].score"),
        ('{"label": "a", "segment": [0, 1], "score": "0.5"}', "results['v'][1].score"),
        ('{"label": "a", "segment": [0, 1], "score": null}', "results['v'][1].score"),
        ('{"label": "a", "segment": [0, 1]}', "results['v'][1]: object missing required field `score`"),
        ('{"label": "a", "segment": [true, 1], "score": 1}', "results['v'][1].segment[0]"),
        ('{"label": "a", "segment": [0, "1"], "score": 1}', "results['v'][1].segment[1]"),
        ('{"label": "a", "segment": [0], "score": 1}', "results['v'][1].segment"),
        ('{"label": "a", "segment": [0, 1, 2], "score": 1}', "results['v'][1].segment"),
        ('{"label": "a", "segment": {"start": 0}, "score": 1}', "results['v'][1].segment"),
        ('{"label": "a", "score": 1}', "results['v'][1]: object missing required field `segment`"),
        ('{"label": 3, "segment": [0, 1], "score": 1}', "results['v'][1].label"),
        ('{"label": "", "segment": [0, 1], "score": 1}', "results['v'][1]: the label is empty"),
        ('{"label": "\\ud800", "segment": [0, 1], "score": 1}', "results['v'][1].label"),
        ('{"label": "a", "segment": [0, 1], "score": 1, "\\ud800": 2}', "results['v'][1]: {'label': 'a'"),
        ('{"segment": [0, 1], "score": 1}', "results['v'][1]: object missing required field `label`"),
        ('{"label": "a", "segment": [0, 1], "score": ' + "9" * 400 + "}", "results['v'][1].score: number out of range"),
        ("[]", "results['v'][1]"),
        ("7", "results['v'][1]"),
    ],
)
@pytest.mark.parametrize("invalid", ["drop", "keep", "error"])
def test_a_bad_row_is_named_by_its_place(put, row, place, invalid):
    path = put('{"results": {"u": [], "v": [{"label": "a", "segment": [0, 1], "score": 1}, ' + row + "]}}")
    assert place in message_of(read_predictions, path, invalid)


@pytest.mark.parametrize(
    ("video", "place"),
    [
        ("[]", "database['v'] is an array; expected an object"),
        ('{"annotations": {}}', "database['v'].annotations is an object; expected an array"),
        ('{"annotations": null}', "database['v'].annotations is null; expected an array"),
        ('{"annotations": [{"label": "a", "segment": "0-1"}]}', "database['v'].annotations[0].segment"),
        ('{"annotations": [], "duration": "12"}', "database['v'].duration"),
        ('{"annotations": [], "duration": true}', "database['v'].duration"),
        ('{"annotations": [], "subset": 1}', "database['v'].subset"),
        ('{"annotations": [], "scene": 4}', "database['v'].scene"),
        ('{"annotations": [], "scene": "\\udfff"}', "database['v']: '\\udfff' is not a valid Unicode text"),
    ],
)
def test_a_bad_annotated_video_is_named(put, video, place):
    assert place in message_of(read_annotations, put('{"database": {"v": ' + video + "}}"))


@pytest.mark.parametrize(
    ("scenes", "place"),
    [
        ([{"label": "park", "score": "1"}], "scenes['v'][0].score"),
        ([{"label": "park", "score": 1}, {"label": "park", "score": 2}], "scenes['v'][1]"),
        ([{"label": "", "score": 1}], "scenes['v'][0]"),
        ([{"label": "park", "score": math.nan}], "scenes['v'][0]"),
        ({"label": "park"}, "scenes['v'] is an object; expected an array"),
    ],
)
def test_bad_scenes_are_named(put, scenes, place):
    assert place in message_of(read_predictions, put({"results": {}, "scenes": {"v": scenes}}))


# --- files that are something else ------------------------------------------------------------------------------------


def test_predictions_given_as_annotations_are_told_apart(put):
    message = message_of(read_annotations, put(GUESS))
    assert "has the keys ['external_data', 'results', 'scenes', 'version']" in message
    assert "an annotation file holds an object 'database'" in message
    assert "a prediction file holds an object 'results'" in message_of(read_predictions, put(TRUTH))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("[1]", "holds an array"),
        ('"database"', "holds a text"),
        ("3", "holds a number"),
        ("null", "holds null"),
        ("true", "holds true or false"),
        ("{}", "has the keys []"),
        ('{"results": []}', "'results' holds an array"),
        ('{"results": {}, "scenes": []}', "'scenes' holds an array"),
    ],
)
def test_another_shape_is_told(put, content, found):
    assert found in message_of(read_predictions, put(content))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"video_id,label\n", "not JSON"),
        (b'{"results": {"v": [', "not JSON"),
        (b'{"results": {}} {}', "not JSON"),
        (b"\x89HDF\r\n\x1a\n" + bytes(range(256)), "binary data"),
        (b'{"results": {"\xff": []}}', "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b'{"results": {"v": [{"label": "a", "segment": [0, 1], "score": ' + b"9" * 5000 + b"}]}}", "not JSON"),
        (gzip.compress(b"{}" * 1000)[:-20], "damaged gzip"),
        (b"\x1f\x8bnot gzip at all", "damaged gzip"),
    ],
    ids=range(12),
)
@pytest.mark.parametrize("read", [read_predictions, read_annotations])
def test_what_is_not_json_is_refused_in_one_line(put, read, content, found):
    assert found in message_of(read, put(content))


def test_missing_files_and_folders_are_refused(tmp_path):
    assert "No such file" in message_of(read_annotations, tmp_path / "none.json")
    assert "Is a directory" in message_of(read_predictions, tmp_path)


# --- writing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out.json", "out.json.gz"])
def test_predictions_come_back_as_they_were(put, tmp_path, name):
    before = read_predictions(put(GUESS))
    write_predictions(before, tmp_path / name)
    after = read_predictions(tmp_path / name, "error")
    assert after.video_ids == ("v1", "v2", "v3", "v9")
    assert (after.vocabulary, columns(after.segments)) == (before.vocabulary, columns(before.segments))
    assert after.scene_vocabulary == before.scene_vocabulary
    assert after.scenes() == pytest.approx(before.scenes(), nan_ok=True)


@pytest.mark.parametrize("name", ["out.json", "out.json.gz"])
def test_annotations_come_back_as_they_were(put, tmp_path, name):
    before = read_annotations(put(TRUTH))
    write_annotations(before, tmp_path / name)
    after = read_annotations(tmp_path / name, "error")
    assert (after.video_ids, after.subset) == (before.video_ids, before.subset)
    assert (after.vocabulary, columns(after.segments)) == (before.vocabulary, columns(before.segments))
    assert (after.scene_vocabulary, after.scene.tolist()) == (before.scene_vocabulary, before.scene.tolist())
    assert after.duration_seconds == pytest.approx(before.duration_seconds, nan_ok=True)


def test_what_is_written_has_the_official_shape(put, tmp_path):
    write_predictions(read_predictions(put(GUESS)), tmp_path / "p.json")
    guess = json.loads((tmp_path / "p.json").read_text())
    assert set(guess) == {"version", "results", "external_data", "scenes"}
    assert guess["results"] == GUESS["results"] | {"v9": []}
    assert guess["scenes"] == {"v1": GUESS["scenes"]["v1"]}
    write_annotations(read_annotations(put(TRUTH)), tmp_path / "a.json")
    truth = json.loads((tmp_path / "a.json").read_text())
    assert set(truth) == {"version", "taxonomy", "database"}
    assert truth["database"]["v2"] == {
        "subset": "validation",
        # Loaders such as ActionFormer's ask for the number of the class.
        "annotations": [{"label": "walk", "segment": [1.0, 2.0], "label_id": 0}],
    }


def test_rows_are_grouped_by_video_in_their_order(tmp_path):
    # Enough rows that an unstable sort would shuffle them.
    count = 400
    video = np.arange(count) % 2
    segments = Segments(video, np.zeros(count), np.arange(count), np.arange(count) + 1, np.full(count, 0.5))
    write_predictions(Predictions(("a", "b"), Vocabulary(("walk",)), segments), tmp_path / "p.json")
    found = read_predictions(tmp_path / "p.json").segments
    assert found.video.tolist() == [0] * 200 + [1] * 200
    assert found.start.tolist() == [*range(0, count, 2), *range(1, count, 2)]


def test_equal_values_give_equal_bytes(put, tmp_path):
    values = read_predictions(put(GUESS))
    for name in ("one.json.gz", "two.json.gz"):
        write_predictions(values, tmp_path / name)
    content = (tmp_path / "one.json.gz").read_bytes()
    assert content == (tmp_path / "two.json.gz").read_bytes()
    assert content[4:8] == bytes(4)  # gzip's time stamp: the same content next year is the same bytes


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_numbers_json_lacks_are_not_written(tmp_path, bad):
    segments = Segments([0, 0], [0, 0], [0.0, 0.0], [1.0, 1.0], [0.5, bad])
    with pytest.raises(InputError, match="row 1 has a start, end or score that is not finite"):
        write_predictions(Predictions(("a",), Vocabulary(("walk",)), segments), tmp_path / "p.json")
    assert not (tmp_path / "p.json").exists()


def test_a_folder_that_is_not_there_is_an_output_error(put, tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        write_annotations(read_annotations(put(TRUTH)), tmp_path / "none" / "a.json")


NAME = st.text(min_size=1, max_size=5).filter(lambda text: text.isprintable())
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
ROW = st.fixed_dictionaries({"label": NAME, "segment": st.tuples(NUMBER, NUMBER), "score": NUMBER})


@given(st.dictionaries(NAME, st.lists(ROW, max_size=4), max_size=4))
@settings(max_examples=40, deadline=None)
def test_any_names_and_numbers_survive_both_ways_of_reading(tmp_path_factory, results):
    path = tmp_path_factory.getbasetemp() / "any_names.json"
    path.write_text(json.dumps({"results": results}))
    fast = read_predictions(path, "keep")
    # A bare NaN in a key nobody reads sends the file the careful way.
    path.write_text(json.dumps({"results": results, "note": math.nan}))
    careful = read_predictions(path, "keep")
    write_predictions(fast, path)
    again = read_predictions(path, "keep")
    for other in (careful, again):
        assert (other.video_ids, other.vocabulary) == (fast.video_ids, fast.vocabulary)
        assert columns(other.segments) == columns(fast.segments)
    expected = [
        (place, fast.vocabulary.id_of(row["label"]), *row["segment"], row["score"])
        for place, rows in enumerate(results.values())
        for row in rows
    ]
    assert columns(fast.segments) == expected


def test_the_shipped_examples_are_read():
    truth = read_annotations(DATA / "evaluation" / "gt_binego_like.json", "error")
    guess = read_predictions(DATA / "evaluation" / "pred_binego_like.json", "error")
    assert (len(truth.segments), len(guess.segments)) == (386, 726)


@pytest.mark.golden
def test_real_files_hold_what_their_makers_say(shared_data):
    folder = shared_data("evaluation")
    thumos = read_annotations(folder / "gt_thumos14_test.json")
    assert (len(thumos.video_ids), len(thumos.segments), len(thumos.vocabulary)) == (212, 3358, 20)
    activitynet = read_annotations(folder / "gt_activitynet13_validation.json.gz", "keep")
    assert (len(activitynet.video_ids), len(activitynet.segments), len(activitynet.vocabulary)) == (4728, 7293, 200)
    sample = read_predictions(folder / "pred_activitynet_sample.json.gz", "keep")
    assert (len(sample.video_ids), len(sample.segments)) == (4926, 7654)


def test_rows_are_the_same_at_every_border_of_a_batch(tmp_path):
    # Videos shorter, as long, and longer than what is turned into numbers at a time.
    rng = np.random.default_rng(5)
    counts = [0, 3, 1023, 1024, 1025, 0, 2050, 1]
    results = {
        f"v{number}": [
            {"label": f"c{label}", "segment": [start, start + length], "score": score}
            for label, start, length, score in zip(
                rng.integers(0, 40, count).tolist(),
                *(rng.random(count).tolist() for _ in range(3)),
                strict=True,
            )
        ]
        for number, count in enumerate(counts)
    }
    (tmp_path / "p.json").write_text(json.dumps({"results": results}))
    found = read_predictions(tmp_path / "p.json", "keep")
    told = json.loads((tmp_path / "p.json").read_text())["results"]
    rows = [(video, row) for video, entries in told.items() for row in entries]
    names = list(dict.fromkeys(row["label"] for _, row in rows))
    assert found.video_ids == tuple(told)
    assert found.vocabulary.names == tuple(names)
    assert [found.video_ids[video] for video in found.segments.video] == [video for video, _ in rows]
    assert [names[label] for label in found.segments.label] == [row["label"] for _, row in rows]
    assert found.segments.start.tolist() == [row["segment"][0] for _, row in rows]
    assert found.segments.end.tolist() == [row["segment"][1] for _, row in rows]
    assert found.segments.score.tolist() == [row["score"] for _, row in rows]
