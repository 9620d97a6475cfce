"""Any known format is recognised by its content, and what is something else is told by name."""

import csv
import gzip
import io
import json
import os
import struct
import time
import zlib

import numpy as np
import pytest
from factories_formats import put, told

import tsmfeat
from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.formats.reading import read_annotations, read_predictions
from tsmfeat.formats.recognition import recognize_format
from tsmfeat.formats.tables import CELL_LIMIT_CHARACTERS

# The same two facts in every format: (video, label, start, end).
TRUTH = [("v", "7", 0.5, 2.0), ("w", "9", 3.0, 4.5)]
ANNOTATION_FILES = {
    "activitynet": json.dumps(
        {
            "version": "1",
            "database": {v: {"annotations": [{"label": c, "segment": [s, e]}]} for v, c, s, e in TRUTH},
        }
    ),
    "csv": "video_id,label,start,end\nv,7,0.5,2\nw,9,3,4.5\n",
    "binego360": 'id,label,Usage\nv_0_10,"[[7, 0.5, 2]]",Public\nw_0_10,"[[9, 3, 4.5]]",Public\n',
}
PREDICTION_FILES = {
    "activitynet": json.dumps(
        {"results": {v: [{"label": c, "segment": [s, e], "score": 1}] for v, c, s, e in TRUTH}, "external_data": {}}
    ),
    "csv": "start,end,score,label,video_id\n0.5,2,1,7,v\n3,4.5,1,9,w\n",
    "binego360": 'id,prediction\nv,"[[7, 0.5, 2, 1.0]]"\nw,"[[9, 3, 4.5, 1]]"\n',
    "thumos14": "v 0.5 2 7 1\nw 3 4.5 9 1.0\n",
}
OTHER_NAMES = {"thumos14": {"7": "BaseballPitch", "9": "BasketballDunk"}}
READERS = {"annotations": read_annotations, "predictions": read_predictions}
FILES = [("annotations", name, text) for name, text in ANNOTATION_FILES.items()]
FILES += [("predictions", name, text) for name, text in PREDICTION_FILES.items()]
EACH = pytest.mark.parametrize(("kind", "name", "text"), FILES, ids=[f"{kind}-{name}" for kind, name, _ in FILES])


def expected_of(name):
    names = OTHER_NAMES.get(name, {})
    return [(v, names.get(c, c), s, e, 1.0) for v, c, s, e in TRUTH]


def thumos_folder(path):
    path.mkdir()
    put(path / "BaseballPitch_test.txt", "v 0.5 2\n")
    put(path / "BasketballDunk_test.txt", "w 3 4.5\n")
    return path


def x360_folder(path):
    path.mkdir()
    for video, name, start, end in TRUTH:
        put(path / f"{video}.json", {"metadata": {"1": {"duration": [start, end], "action": {"1": name}}}})
    return path


@EACH
@pytest.mark.parametrize(
    "wrap",
    [bytes, gzip.compress, b"\xef\xbb\xbf".__add__, lambda content: gzip.compress(b"\xef\xbb\xbf" + content)],
    ids=["plain", "gzip", "bom", "gzip-bom"],
)
def test_content_tells_the_format_whatever_the_name(tmp_path, kind, name, text, wrap):
    path = put(tmp_path / "data.png", wrap(text.encode()))
    assert tuple(recognize_format(path)) == (name, kind)
    assert told(READERS[kind](path, "error")) == expected_of(name)
    assert told(READERS[kind](str(path), format_name=name)) == expected_of(name)


@pytest.mark.parametrize(("name", "make"), [("thumos14", thumos_folder), ("x360", x360_folder)])
def test_folders_are_told_by_the_files_in_them(tmp_path, name, make):
    path = make(tmp_path / "folder")
    assert tuple(recognize_format(path)) == (name, "annotations")
    assert told(tsmfeat.read_annotations(path, "error")) == expected_of(name)


def test_a_single_360x_file_is_recognised_and_other_metadata_does_not_mislead(tmp_path):
    assert recognize_format(x360_folder(tmp_path / "folder") / "v.json").format_name == "x360"
    both = {"metadata": {"fps": 25}, **json.loads(ANNOTATION_FILES["activitynet"])}
    assert recognize_format(put(tmp_path / "a", both)).format_name == "activitynet"
    late = {"taxonomy": ["x" * 100_000], **both}
    assert recognize_format(put(tmp_path / "b", late)).format_name == "activitynet"
    bare = '{"note": NaN, "taxonomy": ["' + "x" * 100_000 + '"], "results": {}}'
    assert tuple(recognize_format(put(tmp_path / "c", bare))) == ("activitynet", "predictions")


def test_a_file_that_holds_both_is_read_as_either(tmp_path):
    both = json.loads(ANNOTATION_FILES["activitynet"]) | json.loads(PREDICTION_FILES["activitynet"])
    path = put(tmp_path / "both", both)
    assert told(read_annotations(path)) == told(read_predictions(path)) == expected_of("activitynet")


@EACH
def test_annotations_and_predictions_are_told_apart(tmp_path, kind, name, text):
    other = "predictions" if kind == "annotations" else "annotations"
    with pytest.raises(InputError) as caught:
        READERS[other](put(tmp_path / "data", text))
    story = "has the keys" if name == "activitynet" else f"holds {kind} ({name}); {other} are expected"
    assert story in caught.value.message
    assert "exchanged" in caught.value.hint


def test_folders_are_no_predictions(tmp_path):
    with pytest.raises(InputError, match=r"holds annotations \(thumos14\); predictions are expected"):
        read_predictions(thumos_folder(tmp_path / "folder"))


# --- what is something else -------------------------------------------------------------------------------------------

MP4 = struct.pack(">I", 24) + b"ftypisom" + bytes(100)
SAFETENSORS = struct.pack("<Q", 30) + json.dumps({"__metadata__": {}}).ljust(30).encode() + bytes(8)


@pytest.mark.parametrize(
    ("content", "story"),
    [
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file, such as a feature store"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "a PNG image"),
        (MP4, "an MP4 or QuickTime video"),
        (b"\x1aE\xdf\xa3" + bytes(100), "a Matroska or WebM video"),
        (b"RIFF" + bytes(100), "an AVI video or a WAV sound"),
        (b"PK\x03\x04" + bytes(100), "a zip archive, such as a PyTorch checkpoint"),
        (SAFETENSORS, "a safetensors file, such as heads"),
        (b"\x93NUMPY" + bytes(100), "a NumPy array"),
        (b"\x80\x02}q\x00." + bytes(100), "binary data, such as a video or a checkpoint"),
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"[1, 2]", "a JSON array; annotations hold an object 'database' or 'metadata'"),
        (b'{"result": {}}', "JSON with the keys ['result']"),
        (b'{"a": 1, "b": {"results": 3}}', "JSON with the keys ['a', 'b']"),
        (b'{"a": ', "not JSON"),
        (b"hello world\n", "the first line is 'hello world'"),
        (b"video_id;label;start;end\n", "the first line is 'video_id;label;start;end'"),
        (b"id,0,1,2\na,0,0,1\n", "the first line is 'id,0,1,2'"),
        (b"v 1.5 2.5\n", "one class of THUMOS14 annotations; they are read a folder at a time"),
        (b"\xff" * 20, "the first line is"),
        (b"\x1f\x8bnot gzip at all", "damaged gzip"),
    ],
)
@pytest.mark.parametrize("read", [read_annotations, read_predictions])
def test_what_is_of_no_known_format_is_named(tmp_path, read, content, story):
    path = put(tmp_path / "gt.json", content)
    with pytest.raises(InputError) as caught:
        read(path)
    assert caught.value.message.startswith(str(path))
    assert story in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("video,label,start,end,score\n", "did you mean 'video_id'?"),
        ("video_id,lable,start,end,score\n", "did you mean 'label'?"),
        ('{"result": {}}', "did you mean 'results'?"),
    ],
)
def test_a_name_that_is_nearly_right_is_offered(tmp_path, text, hint):
    with pytest.raises(InputError) as caught:
        read_predictions(put(tmp_path / "p", text))
    assert caught.value.hint == hint


def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="no regular file, such as a pipe"):
        read_annotations(tmp_path / "pipe")


def test_other_folders_and_missing_files_are_named(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_annotations(tmp_path / "none.csv")
    with pytest.raises(InputError, match="a folder without annotation files"):
        read_annotations(tmp_path)
    put(tmp_path / "a_test.txt", "this is prose\n")
    with pytest.raises(InputError, match="a folder without annotation files"):
        read_annotations(tmp_path)
    put(tmp_path / "part.h5", "")
    with pytest.raises(InputError, match="a folder of feature stores"):
        read_annotations(tmp_path)
    (tmp_path / "part.h5").unlink()
    put(tmp_path / "gt.json", ANNOTATION_FILES["activitynet"])
    with pytest.raises(InputError, match="a folder of other JSON files") as caught:
        read_annotations(tmp_path)
    assert str(tmp_path / "gt.json") in caught.value.hint


def test_an_unknown_format_is_refused(tmp_path):
    path = put(tmp_path / "p", PREDICTION_FILES["csv"])
    with pytest.raises(ConfigurationError, match="no format 'thumos' for predictions") as caught:
        read_predictions(path, format_name="thumos")
    assert caught.value.hint == "did you mean 'thumos14'?"
    with pytest.raises(ConfigurationError, match="no format 'x360' for predictions"):
        read_predictions(path, format_name="x360")
    with pytest.raises(ConfigurationError, match="did you mean 'drop'"):
        read_predictions(path, "dorp")


# --- every format: the fault table ------------------------------------------------------------------------------------

# A row of each format with (start, end, score) to be filled in.
ROWS = {
    (
        "annotations",
        "activitynet",
    ): '{{"database": {{"v": {{"annotations": [{{"label": "7", "segment": [{0}, {1}]}}]}}}}}}',
    ("annotations", "csv"): "video_id,label,start,end\nv,7,{0},{1}\n",
    ("annotations", "binego360"): 'id,label,Usage\nv,"[[7, {0}, {1}]]",Public\n',
    ("predictions", "activitynet"): '{{"results": {{"v": [{{"label": "7", "segment": [{0}, {1}], "score": {2}}}]}}}}',
    ("predictions", "csv"): "video_id,label,start,end,score\nv,7,{0},{1},{2}\n",
    ("predictions", "binego360"): 'id,prediction\nv,"[[7, {0}, {1}, {2}]]"\n',
    ("predictions", "thumos14"): "v {0} {1} 7 {2}\n",
}
PLACES = {"activitynet": "['v']", "csv": ":2", "binego360": ":2", "thumos14": ":1"}
FORMATS = pytest.mark.parametrize(("kind", "name"), ROWS, ids=["-".join(key) for key in ROWS])
SCORED = pytest.mark.parametrize("name", [name for kind, name in ROWS if kind == "predictions"])


@FORMATS
@pytest.mark.parametrize(
    ("start", "end"), [("2", "2"), ("3", "2"), ("NaN", "2"), ("0", "Infinity"), ("0", "1e999"), ("-Infinity", "5")]
)
def test_invalid_segments_are_dropped_kept_or_refused(tmp_path, kind, name, start, end):
    path = put(tmp_path / "f", ROWS[kind, name].format(start, end, "0.5"))
    dropped = READERS[kind](path)
    assert (len(dropped.segments), dropped.num_dropped, dropped.video_ids) == (0, 1, ("v",))
    kept = READERS[kind](path, "keep")
    assert (kept.segments.start[0], kept.segments.end[0]) == pytest.approx((float(start), float(end)), nan_ok=True)
    with pytest.raises(InputError) as caught:
        READERS[kind](path, "error")
    assert f"{PLACES[name]}" in caught.value.message
    assert "a segment ends after its start, and its numbers are finite" in caught.value.message
    assert caught.value.hint == "mend the file, or make it again"


@FORMATS
def test_negative_starts_and_late_ends_are_kept(tmp_path, kind, name):
    path = put(tmp_path / "f", ROWS[kind, name].format("-3", "1e6", "-7.5"))
    found = READERS[kind](path, "error")
    assert (found.segments.start[0], found.segments.end[0], found.num_dropped) == (-3, 1e6, 0)


@SCORED
def test_a_nan_score_is_always_an_error_but_where_rows_are_kept(tmp_path, name):
    path = put(tmp_path / "f", ROWS["predictions", name].format("0", "1", "NaN"))
    for invalid in ("drop", "error"):
        with pytest.raises(InputError, match="the score is NaN; a score is a number") as caught:
            read_predictions(path, invalid)
        assert PLACES[name] in caught.value.message
        assert "problems" not in caught.value.message  # it is told once
    assert np.isnan(read_predictions(path, "keep").segments.score).all()


@SCORED
def test_an_infinite_score_is_dropped_like_an_infinite_end(tmp_path, name):
    path = put(tmp_path / "f", ROWS["predictions", name].format("0", "1", "Infinity"))
    assert read_predictions(path).num_dropped == 1
    with pytest.raises(InputError, match="numbers are finite"):
        read_predictions(path, "error")


@FORMATS
@pytest.mark.parametrize("number", ["true", "null", "'1'", "1_000", "٣", "0x10", "1e", "--1", "1j"])
def test_what_is_no_number_is_refused(tmp_path, kind, name, number):
    path = put(tmp_path / "f", ROWS[kind, name].format("0", number, "0.5"))
    for invalid in ("drop", "keep", "error"):
        with pytest.raises(InputError) as caught:
            READERS[kind](path, invalid)
        assert str(path) in caught.value.message


@FORMATS
@pytest.mark.parametrize("digits", [400, 5000])
def test_integers_of_many_digits_are_refused_or_infinite(tmp_path, kind, name, digits):
    path = put(tmp_path / "f", ROWS[kind, name].format("0", "9" * digits, "0.5"))
    if name in ("csv", "thumos14"):  # a text's number is a float from the start
        assert READERS[kind](path).num_dropped == 1
    with pytest.raises(InputError) as caught:
        READERS[kind](path, "error")
    assert len(caught.value.message) < 600


@FORMATS
def test_a_label_that_is_not_among_given_classes_is_always_an_error(tmp_path, kind, name):
    path = put(tmp_path / "f", ROWS[kind, name].format("0", "1", "0.5"))
    classes = tsmfeat.Vocabulary(("walk", "77"))
    if kind == "predictions":
        assert len(read_predictions(path, classes=classes).segments) == 1  # an evaluation passes it over
        return
    for invalid in ("drop", "keep", "error"):
        with pytest.raises(
            InputError, match=r"class '7' is not among the 2 classes given \(1 rows\); did you mean '77'"
        ):
            read_annotations(path, invalid, classes)


@FORMATS
def test_a_truncated_file_or_half_a_gzip_is_refused(tmp_path, kind, name):
    row = ROWS[kind, name].format("0.125", "1.125", "0.5")
    body = row.encode()
    head, _, line = body.rpartition(b"\n") if name == "activitynet" else body.rstrip(b"\n").rpartition(b"\n")
    cut = head + (b"\n" if head else b"") + line[: len(line) * 2 // 3]
    with pytest.raises(InputError):
        READERS[kind](put(tmp_path / "cut", cut), format_name=name)
    rng = np.random.default_rng(0)
    if name == "activitynet":
        many = body[:-1] + b', "note": "' + bytes(rng.integers(97, 122, 5000, np.uint8)) + b'"}'
    else:
        lines = [line.replace(b"0.125", b"%d.5" % k).replace(b"1.125", b"%d.75" % k) for k in range(2000)]
        many = b"\n".join([*([head] if head else []), *lines, b""])
    whole = gzip.compress(many)
    assert READERS[kind](put(tmp_path / "whole", whole)).num_dropped == 0
    for at in (len(whole) // 2, len(whole) - 4):
        with pytest.raises(InputError, match="damaged gzip"):
            READERS[kind](put(tmp_path / "half", whole[:at]))


@pytest.mark.parametrize(
    "text",
    [PREDICTION_FILES["csv"] + '1,2,1,"7,v\n3,4,1,9,w\n', 'id,prediction\nv,"[[7, 0.5, 2, 1.0]]\nw,"[[9, 3, 4, 1]]"\n'],
    ids=["csv", "binego360"],
)
def test_an_unclosed_quote_is_refused_with_its_line(tmp_path, text):
    path = put(tmp_path / "p", text)
    with pytest.raises(InputError, match="not CSV") as caught:
        read_predictions(path)
    line = 4 if text.startswith("start") else 2
    assert caught.value.message.startswith(f"{path}:{line}: ")
    assert "quotes" in caught.value.hint


@pytest.mark.parametrize("name", ["csv", "binego360"])
def test_a_cell_beyond_the_limit_is_refused_and_the_limit_of_others_stays(tmp_path, name):
    before = csv.field_size_limit()
    label = "7" * 200_000
    good = f"video_id,label,start,end,score\nv,{label},0,1,0.5\n"
    assert len(read_predictions(put(tmp_path / "good", good)).vocabulary.names[0]) == 200_000
    assert csv.field_size_limit() == before
    with pytest.raises(csv.Error):
        list(csv.reader(io.StringIO(good)))
    cell = "[" + " " * CELL_LIMIT_CHARACTERS + "]"
    text = (
        f'id,prediction\nv,"{cell}"\n' if name == "binego360" else f"video_id,label,start,end,score\nv,{cell},0,1,1\n"
    )
    with pytest.raises(InputError, match=r":2: not CSV \(field larger than field limit") as caught:
        read_predictions(put(tmp_path / "long", text))
    assert len(caught.value.message) < 500
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("header", "story"),
    [
        ("video_id,label,start,end,score,label", "column 'label' occurs twice in the header"),
        ("video_id,label,start,end,score,,", "column '' occurs twice"),
    ],
)
def test_a_header_that_repeats_a_column_is_refused(tmp_path, header, story):
    path = put(tmp_path / "p", header + "\n")
    with pytest.raises(InputError) as caught:
        read_predictions(path)
    assert caught.value.message.startswith(f"{path}:1: {story}")


def test_a_header_alone_is_a_file_of_nothing(tmp_path):
    assert len(read_predictions(put(tmp_path / "p", "video_id,label,start,end,score\n")).segments) == 0
    assert len(read_annotations(put(tmp_path / "a", "id,label,Usage")).video_ids) == 0


def test_twenty_problems_are_listed_and_the_rest_counted(tmp_path):
    rows = "".join(f"v,run,{k},{k},0.5\n" for k in range(50))
    with pytest.raises(InputError) as caught:
        read_predictions(put(tmp_path / "p.csv", "video_id,label,start,end,score\n" + rows), "error")
    message = caught.value.message
    assert "50 problems" in message
    assert "p.csv:21: " in message
    assert "p.csv:22: " not in message
    assert message.endswith("and 30 more")


def test_text_that_is_not_utf_8_is_named_by_its_line(tmp_path):
    content = "video_id,label,start,end,score\nv,caf\u00e9,0,1,0.5\n".encode("latin-1")
    path = put(tmp_path / "p.csv", content)
    with pytest.raises(InputError, match="not UTF-8 text") as caught:
        read_predictions(path)
    assert caught.value.message.startswith(f"{path}:2: ")


@pytest.mark.golden
def test_a_bomb_of_zeros_in_gzip_is_refused_before_it_is_unpacked(tmp_path):
    packer = zlib.compressobj(9, wbits=31)
    head = b"video_id,label,start,end,score\n"
    bomb = packer.compress(head) + b"".join(packer.compress(b"\n" * (1 << 20)) for _ in range(300)) + packer.flush()
    assert len(bomb) < 1 << 20
    began = time.process_time()
    with pytest.raises(InputError, match="more than 256 MB of text"):
        read_predictions(put(tmp_path / "bomb.csv", bomb))
    assert time.process_time() - began < 10
