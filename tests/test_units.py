"""`tsmfeat score --unit`: whole videos and bins, from files of either kind, never mixed."""

import json

import pytest
from conftest import DATA
from typer.testing import CliRunner

from tsmfeat.errors import ConfigurationError
from tsmfeat.formats.reading import read_annotations, read_predictions
from tsmfeat.formats.recognition import holds_bins
from tsmfeat.formats.writing import write_annotations, write_predictions
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.metrics.options import StatisticsOptions
from tsmfeat.workflows.bins import cut_annotations, cut_predictions
from tsmfeat.workflows.score_options import ScoreOptions
from tsmfeat.workflows.scoring import score
from tsmfeat_cli.main import app

SOURCE, TRUTH = (DATA / "evaluation" / f"{name}_binego_like.json" for name in ("pred", "gt"))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same truth and predictions as whole videos and in bins, and the class list of the latter."""
    folder = tmp_path_factory.mktemp("units")
    annotations, predictions = read_annotations(TRUTH), read_predictions(SOURCE)
    names = sorted({*annotations.vocabulary.names, *predictions.vocabulary.names})
    (folder / "classes.txt").write_text("".join(f"{place} {name}\n" for place, name in enumerate(names, start=1)))
    classes = folder / "classes.txt"
    write_annotations(annotations, folder / "truth.csv", format_name="binego360", classes=classes)
    write_predictions(predictions, folder / "found.csv", format_name="binego360", classes=classes)
    return folder


def call(*words, code=0):
    done = CliRunner().invoke(app, ["score", *map(str, words)])
    assert done.exit_code == code, done.output
    return done


def test_bins_are_scored_as_bins_and_named_so():
    found = json.loads(call(SOURCE, "--annotations", TRUTH, "--subset", "test", "--unit", "bin10", "--json").stdout)
    bins = cut_annotations(read_annotations(TRUTH).select_subset("test"))
    cut = cut_predictions(read_predictions(SOURCE), bins)
    wanted = evaluate(cut.predictions, bins.annotations)
    assert found["unit"] == "bin10"
    assert found["ap"] == wanted.ap.tolist()
    assert found["num_outside"] == cut.num_outside > 0
    assert found["num_annotations"] == len(bins.annotations.segments)
    assert found["options"]["unit"] == "bin10"
    whole = json.loads(call(SOURCE, "--annotations", TRUTH, "--subset", "test", "--json").stdout)
    assert (whole["unit"], whole["num_outside"]) == ("video", 0)
    assert whole["final_score"] < found["final_score"]


def test_the_text_names_the_unit_and_what_is_done_outside():
    text = call(SOURCE, "--annotations", TRUTH, "--subset", "test", "--unit", "bin10").stdout
    assert "unit bin10: bins of ten seconds, not comparable with whole videos; " in text
    assert "lie in bins without truth: they are left out" in text
    text = call(SOURCE, "--annotations", TRUTH, "--subset", "test", "--unit", "bin10-all").stdout
    assert "each counts as false" in text
    assert "unit" not in call(SOURCE, "--annotations", TRUTH, "--subset", "test").stdout


def test_files_in_bins_give_the_score_of_the_whole_ones_cut(files):
    words = ["--unit", "bin10", "--json", "--classes", files / "classes.txt"]
    whole, other_truth, other_source, both = (
        json.loads(call(source, "--annotations", truth, "--subset", "test", *words).stdout)
        for source in (SOURCE, files / "found.csv")
        for truth in (TRUTH, files / "truth.csv")
    )
    assert len({one["num_annotations"] for one in (whole, other_truth, other_source, both)}) == 1
    assert by_class(other_truth) == by_class(whole)
    # The pieces of one segment have its score: their order, that of the file, decides between them.
    assert by_class(both) == by_class(other_source)
    for name, row in by_class(both).items():
        assert row == pytest.approx(by_class(whole)[name], abs=0.02)


def by_class(found):
    return dict(zip(found["classes"], found["ap"], strict=True))


def test_files_in_bins_are_no_whole_videos(files):
    assert [holds_bins(files / name) for name in ("truth.csv", "found.csv")] == [True, True]
    assert [holds_bins(path) for path in (SOURCE, TRUTH)] == [False, False]
    for source, truth in ((SOURCE, files / "truth.csv"), (files / "found.csv", TRUTH)):
        done = call(source, "--annotations", truth, "--subset", "test", "--classes", files / "classes.txt", code=2)
        assert "in bins of ten seconds" in done.stderr
        assert "--unit bin10" in done.stderr
        assert "--pieces join" in done.stderr


def test_a_row_a_video_is_no_file_in_bins(files, tmp_path):
    path = tmp_path / "whole.csv"
    write_annotations(read_annotations(TRUTH), path, format_name="binego360-video", classes=files / "classes.txt")
    assert not holds_bins(path)


def test_files_are_fused_whole_and_cut_afterwards(files):
    options = ScoreOptions(subset="test", unit="bin10", classes=str(files / "classes.txt"))
    mixed = score([SOURCE, files / "found.csv"], TRUTH, options=options)
    alike = score([SOURCE, SOURCE], TRUTH, options=options)
    # Pieces that were made whole again are the segments they were cut from, but for the rounding of starts and ends.
    assert mixed.evaluation.map == pytest.approx(alike.evaluation.map, abs=0.02)
    pieces = read_predictions(files / "found.csv", classes=files / "classes.txt").segments
    assert len(mixed.predictions.segments) < len(pieces)


def test_written_predictions_are_those_of_whole_videos(tmp_path):
    call(SOURCE, "--annotations", TRUTH, "--subset", "test", "--unit", "bin10", "--out", tmp_path)
    kept = read_predictions(tmp_path / "predictions.json")
    assert len(kept.segments) == len(read_predictions(SOURCE).segments)
    assert json.loads((tmp_path / "scores.json").read_text())["unit"] == "bin10"


def test_measures_and_intervals_are_of_bins_drawn_by_their_videos():
    asked = StatisticsOptions(bootstrap=50, compare=(str(SOURCE),))
    options = ScoreOptions(subset="test", unit="bin10", measures=("ar", "top-kx"), statistics=asked)
    report = score(SOURCE, TRUTH, options=options)
    assert report.measures["top-kx"].classes == report.evaluation.classes
    assert report.uncertainty.bootstrap.num_videos == 16
    assert report.uncertainty.rivalry.comparisons[0].difference == 0.0
    low, high = report.uncertainty.bootstrap.final_score
    assert low < report.evaluation.final_score < high


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["--measures", "ar,frames"], "--measures frames"),
        (["--weights", "learned"], "--weights learned"),
        (["--compare-fusions"], "--compare-fusions"),
        (["--gamma", "auto", "--video-prior", "scenes"], "--gamma auto"),
    ],
)
def test_what_is_done_on_whole_videos_is_refused_with_bins(words, name):
    done = call(SOURCE, "--annotations", TRUTH, "--subset", "test", "--unit", "bin10", *words, code=2)
    assert f"{name} with --unit bin10: done on whole videos" in done.stderr


def test_an_unknown_unit_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigurationError, match="unit 'bin1' is not one of video, bin10") as caught:
        ScoreOptions(unit="bin1")
    assert caught.value.hint == "did you mean 'bin10'?"


def test_scenes_are_those_of_whole_videos(tmp_path):
    truth, found = tmp_path / "gt.json", tmp_path / "found.json"
    rows = [{"label": "walk", "segment": [0, 35]}]
    truth.write_text(
        json.dumps(
            {
                "database": {
                    "a": {"annotations": rows, "subset": "test", "scene": "park"},
                    "b": {"annotations": rows, "subset": "test", "scene": "shop"},
                    "c": {"annotations": [], "subset": "test", "scene": "shop"},
                }
            }
        )
    )
    scenes = [{"label": "park", "score": 0.9}, {"label": "shop", "score": 0.1}]
    results = {name: [{**rows[0], "score": 0.5}] for name in "ab"}
    found.write_text(json.dumps({"results": results, "scenes": {name: scenes for name in "abc"}}))
    report = score(found, truth, options=ScoreOptions(unit="bin10"))
    assert (report.scenes.num_videos, report.scenes.top1) == (3, pytest.approx(1 / 3))
    assert report.scenes.mean_class == 0.5
    assert report.evaluation.num_annotations == 8
    assert report.evaluation.final_score == 1.0
    assert report.predictions.video_ids == ("a", "b", "c")
