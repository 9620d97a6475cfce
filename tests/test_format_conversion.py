"""From one format to another: what is held, what is told, and whole chains up to a score."""

import csv
import json
import math
from dataclasses import dataclass, field

import pytest
from factories_formats import NAME, facts_of, make_annotations, make_predictions, prediction_rows, put, told
from factories_workflows import make_database, perfect_results, write_database, write_predictions_file, write_store
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import tsmfeat
from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.formats.options import FORMATS, FORMATS_OF
from tsmfeat.formats.writing import write_annotations, write_predictions
from tsmfeat.heads.options import HeadOptions
from tsmfeat.values.progress import Silence
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.fitting import fit_heads
from tsmfeat.workflows.format_conversion import convert_file
from tsmfeat.workflows.score_options import ScoreOptions
from tsmfeat.workflows.scoring import score
from tsmfeat_cli.main import app

NAN = math.nan
ROWS = [("v", "run", 0.5, 12.5), ("w", "eat", 3.0, 4.5), ("v", "run", 20.0, 20.25)]
FACTS = {"v": ("testing", 30.0, "park"), "w": ("testing", NAN, ""), "x": ("", 7.0, "shop")}
CLASSES = tsmfeat.Vocabulary(("run", "eat"))


@dataclass
class Listening(Silence):
    """Keep the warnings."""

    warnings: list[str] = field(default_factory=list)

    def warn(self, message):
        self.warnings.append(message)


@pytest.fixture
def truth(tmp_path):
    write_annotations(make_annotations(ROWS, FACTS), tmp_path / "gt.json")
    return tmp_path / "gt.json"


@pytest.fixture
def guess(tmp_path):
    found = make_predictions([(*row, 0.5) for row in ROWS], ["v", "w", "x"], {"v": "park", "x": "shop"})
    write_predictions(found, tmp_path / "found.json")
    return tmp_path / "found.json"


LOSSES = {
    "activitynet": (),
    "csv": (),
    "binego360": (
        "the durations of 2 videos",
        "the scenes of 2 videos",
        "1 videos without segments",
        "1 segments without a piece of half a second",
    ),
    "binego360-video": ("the durations of 2 videos", "the scenes of 2 videos"),
    "x360": ("the subsets of 2 videos", "the durations of 2 videos", "the scenes of 2 videos"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_what_a_format_cannot_hold_of_annotations_is_told_or_refused(truth, tmp_path, name):
    progress = Listening()
    put(tmp_path / "classes", "run\neat\n")
    report = convert_file(truth, tmp_path / "out", to_format=name, classes=tmp_path / "classes", progress=progress)
    assert (report.kind, report.num_videos, report.num_segments, report.num_classes) == ("annotations", 3, 3, 2)
    assert report.losses == LOSSES[name]
    assert progress.warnings == [f"{report.out}: its format cannot hold {loss}" for loss in LOSSES[name]]
    again = tsmfeat.read_annotations(tmp_path / "out", "error", CLASSES)
    if "binego360" != name:
        assert sorted(told(again)) == sorted((*row, 1.0) for row in ROWS)
    if LOSSES[name]:
        with pytest.raises(ConfigurationError, match=f"{name} cannot hold {LOSSES[name][0]}"):
            convert_file(truth, tmp_path / "strict", to_format=name, classes=tmp_path / "classes", strict=True)
        assert not (tmp_path / "strict").exists()
    else:
        assert facts_of(again) == {"v": ("testing", 30.0, "park"), "w": ("testing", None, ""), "x": ("", 7.0, "shop")}


@pytest.mark.parametrize(
    ("name", "losses"),
    [
        ("activitynet", ()),
        ("csv", ("scene scores of 2 videos",)),
        ("binego360", ("scene scores of 2 videos", "1 videos without segments")),
        ("binego360-video", ("scene scores of 2 videos",)),
        ("thumos14", ("scene scores of 2 videos", "1 videos without segments")),
    ],
)
def test_what_a_format_cannot_hold_of_predictions_is_told_or_refused(guess, tmp_path, name, losses):
    classes = put(tmp_path / "classes", "1 run\n2 eat\n")
    report = convert_file(guess, tmp_path / "out", to_format=name, classes=classes)
    assert (report.kind, report.losses) == ("predictions", losses)
    again = tsmfeat.read_predictions(tmp_path / "out", "error", classes)
    if name != "binego360":
        assert sorted(told(again)) == sorted((*row, 0.5) for row in ROWS)
    if losses:
        with pytest.raises(ConfigurationError, match=f"{name} cannot hold {losses[0]}"):
            convert_file(guess, tmp_path / "strict", to_format=name, classes=classes, strict=True)
        assert not (tmp_path / "strict").exists()


def test_every_format_is_written_of_every_kind_it_can_hold():
    assert {*LOSSES, "thumos14"} == set(FORMATS) == set(FORMATS_OF["annotations"])
    assert set(FORMATS_OF["predictions"]) == set(FORMATS) - {"x360"}


@pytest.mark.parametrize(
    ("out", "name"),
    [
        ("a.json", "activitynet"),
        ("a.json.gz", "activitynet"),
        ("a.csv", "csv"),
        ("a.CSV", "csv"),
        ("a.txt", "thumos14"),
    ],
)
def test_the_end_of_a_name_tells_the_format(tmp_path, out, name):
    found = make_predictions([("v", "Diving", 0.5, 2.0, 0.5)])
    assert tsmfeat.write_predictions(found, tmp_path / out) == ()
    assert tsmfeat.formats.recognition.recognize_format(tmp_path / out) == (name, "predictions")


@pytest.mark.parametrize(("out", "kind"), [("a", "predictions"), ("a.h5", "predictions"), ("a.txt", "annotations")])
def test_a_name_that_tells_nothing_is_refused_with_the_formats(truth, guess, tmp_path, out, kind):
    with pytest.raises(ConfigurationError, match="does not tell the format") as caught:
        convert_file(truth if kind == "annotations" else guess, tmp_path / out)
    assert "binego360-video" in caught.value.hint
    assert ("x360" in caught.value.hint) == (kind == "annotations")


def test_options_that_do_not_fit_are_refused(truth, guess, tmp_path):
    sample = put(tmp_path / "sample.csv", "id,prediction\nv_0_10,[]\n")
    with pytest.raises(ConfigurationError, match="a sample is for submissions"):
        convert_file(truth, tmp_path / "o.csv", sample=sample)
    with pytest.raises(ConfigurationError, match="but the format is csv"):
        convert_file(guess, tmp_path / "o.csv", to_format="csv", sample=sample)
    with pytest.raises(ConfigurationError, match="no format 'cvs'") as caught:
        convert_file(guess, tmp_path / "o", to_format="cvs")
    assert caught.value.hint == "did you mean 'csv'?"
    with pytest.raises(InputError, match=r"predictions are expected"):
        convert_file(put(tmp_path / "t.csv", "video_id,label,start,end\n"), tmp_path / "o.json", "predictions")


def test_a_submission_has_the_rows_of_the_sample(guess, tmp_path):
    sample = put(tmp_path / "sample.csv", 'id,prediction\nw_0_10,"[[1, 0, 1, 0.999]]"\nv_10_20,[]\nq_0_10,[]\n')
    classes = put(tmp_path / "classes.txt", "run\neat\n")
    report = convert_file(guess, tmp_path / "out.csv", classes=classes, sample=sample)
    with (tmp_path / "out.csv").open(newline="") as stream:
        assert list(csv.reader(stream)) == [
            ["id", "prediction"],
            ["w_0_10", "[[2, 3.0, 4.5, 0.5]]"],
            ["v_10_20", "[[1, 10, 12.5, 0.5]]"],
            ["q_0_10", "[]"],
        ]
    assert "2 pieces in rows that the sample does not have" in report.losses


def test_pieces_of_a_solution_become_whole_segments_when_asked(tmp_path):
    text = 'id,label,Usage\nv_0_10,"[[1, 0.5, 10]]",Public\nv_10_20,"[[1, 10, 12.5]]",Public\n'
    source = put(tmp_path / "solution.csv", text)
    assert convert_file(source, tmp_path / "kept.json").num_segments == 2
    assert convert_file(source, tmp_path / "joined.json", pieces="join").num_segments == 1
    assert told(tsmfeat.read_annotations(tmp_path / "joined.json")) == [("v", "1", 0.5, 12.5, 1)]


def test_invalid_and_ambiguous_rows_are_counted_or_refused(tmp_path):
    folder = tmp_path / "annotation"
    folder.mkdir()
    put(folder / "Diving_test.txt", "v 2 1\nv 1 2\n")
    put(folder / "Ambiguous_test.txt", "v 5 6\n")
    progress = Listening()
    report = convert_file(folder, tmp_path / "gt.json", progress=progress)
    assert (report.num_segments, report.num_dropped, report.num_ambiguous) == (1, 1, 1)
    assert ["1 segments were dropped" in text for text in progress.warnings] == [True]
    assert tsmfeat.read_annotations(tmp_path / "gt.json").ambiguous.start.tolist() == [5.0]
    assert convert_file(folder, tmp_path / "gt.csv", progress=progress).losses[-1] == "1 ambiguous segments"
    with pytest.raises(InputError, match=r"Diving_test.txt:1: segment"):
        convert_file(folder, tmp_path / "strict.json", strict=True)
    assert not (tmp_path / "strict.json").exists()


@given(prediction_rows(NAME, NAME), st.lists(st.tuples(st.just("") | NAME, st.just(NAN) | st.floats(1, 9), NAME)))
@settings(max_examples=25, deadline=None)
def test_json_to_csv_and_back_is_the_same_bytes(tmp_path_factory, drawn, facts):
    videos, rows = drawn
    rows.sort(key=lambda row: videos.index(row[0]))
    folder = tmp_path_factory.mktemp("json")
    write_predictions(make_predictions(rows, videos), folder / "p.json")
    convert_file(folder / "p.json", folder / "p.csv", strict=True)
    convert_file(folder / "p.csv", folder / "q.json", strict=True)
    p, q = (json.loads((folder / name).read_text()) for name in ("p.json", "q.json"))
    assert p == q
    truth = make_annotations([row[:4] for row in rows], dict(zip(videos, facts, strict=False)))
    write_annotations(truth, folder / "a.json")
    convert_file(folder / "a.json", folder / "a.csv", strict=True)
    convert_file(folder / "a.csv", folder / "b.json", strict=True)
    a, b = (json.loads((folder / name).read_text()) for name in ("a.json", "b.json"))
    assert a == b


# --- the jobs take any format -----------------------------------------------------------------------------------------


@pytest.fixture
def task(tmp_path):
    database = make_database()
    write_database(tmp_path / "gt.json", database)
    write_predictions_file(tmp_path / "found.json", perfect_results(database))
    put(tmp_path / "classes.txt", "read\nrun\neat\nsleep\n")
    return tmp_path


@pytest.mark.parametrize("name", ["csv", "binego360-video"])
def test_scores_are_equal_whatever_the_format(task, name):
    classes = task / "classes.txt"
    convert_file(task / "gt.json", task / "gt", to_format=name, classes=classes)
    convert_file(task / "found.json", task / "found", to_format=name, classes=classes)
    options = ScoreOptions(subset="testing")
    by_json = score(task / "found.json", task / "gt.json", options=options)
    other = score(task / "found", task / "gt", options=ScoreOptions(subset="testing", classes=str(classes)))
    assert other.evaluation.final_score == by_json.evaluation.final_score == 1.0
    assert sorted(other.evaluation.classes) == sorted(by_json.evaluation.classes)
    mixed = score(
        [task / "found.json", task / "found"], task / "gt", options=ScoreOptions(subset="testing", classes=str(classes))
    )
    assert mixed.evaluation.final_score == 1.0


def test_heads_are_fitted_on_any_format_with_the_classes_of_a_file(task):
    write_store(task / "features", make_database())
    convert_file(task / "gt.json", task / "gt.csv")
    options = FitOptions(HeadOptions(epochs=3), classes=str(task / "classes.txt"))
    fit_heads(task / "features", task / "gt.csv", task / "heads.safetensors", options)
    header = tsmfeat.files.read_header(task / "heads.safetensors")
    assert header["vocabulary"] == ["read", "run", "eat", "sleep"]
    assert header["record"]["classes"] == str(task / "classes.txt")


def test_a_folder_of_annotations_is_known_by_all_its_files(task):
    write_store(task / "features", make_database())
    write_annotations(tsmfeat.read_annotations(task / "gt.json"), task / "TAL", "x360")
    options = FitOptions(HeadOptions(tasks=("action",), epochs=1))

    def digest():
        fit_heads(task / "features", task / "TAL", task / "heads.safetensors", options)
        return tsmfeat.files.read_header(task / "heads.safetensors")["record"]["annotations"]

    first = digest()
    assert (first["name"], digest()) == ("TAL", first)
    put(task / "TAL" / "video 19.json", {"metadata": {}})
    assert digest()["sha256"] != first["sha256"]


@pytest.mark.golden
def test_the_commands_take_classes_and_refuse_what_is_not_among_them(task):
    run = CliRunner().invoke
    words = ["score", str(task / "found.json"), "--annotations", str(task / "gt.json"), "--subset", "testing", "--json"]
    done = run(app, [*words, "--classes", str(task / "classes.txt")])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["final_score"] == 1.0
    put(task / "short.txt", "run\neat\nreed\n")
    done = run(app, [*words, "--classes", str(task / "short.txt")])
    assert done.exit_code == 4
    assert "class 'read' is not among the 3 classes given" in " ".join(done.stderr.split())
    assert "did you mean 'reed'?" in " ".join(done.stderr.split())
    done = run(app, ["score", str(task / "gt.json"), "--annotations", str(task / "found.json")])
    assert done.exit_code == 4


@pytest.mark.golden
def test_real_detections_score_the_same_as_text_and_as_tables(shared_data, tmp_path):
    folder = shared_data("evaluation")
    truth, found = folder / "gt_thumos14_test.json", folder / "pred_scnn_nms0.0.json.gz"
    convert_file(truth, tmp_path / "annotation", to_format="thumos14")
    convert_file(found, tmp_path / "scnn.txt")
    convert_file(truth, tmp_path / "gt.csv", strict=True)
    convert_file(found, tmp_path / "scnn.csv.gz", to_format="csv", strict=True)
    options = ScoreOptions(protocol="activitynet", subset="testing")
    expected = score(found, truth, options=options).evaluation
    assert expected.num_predictions == 10_285
    for source, against in (("scnn.txt", "annotation"), ("scnn.csv.gz", "gt.csv"), ("scnn.txt", "gt.csv")):
        found_again = score(tmp_path / source, tmp_path / against, options=options).evaluation
        assert dict(zip(found_again.classes, found_again.ap.tolist(), strict=True)) == dict(
            zip(expected.classes, expected.ap.tolist(), strict=True)
        )
