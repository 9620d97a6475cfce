"""Predicting on stores and on raw videos: equal to scoring, one extraction a spec, nothing left behind."""

import io
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import DATA
from factories_heads import Recorder, make_weights
from factories_store import make_spec
from factories_videos import (
    _build_once,
    _load_once,
    built_once,
    leave_parts,
    stored_checksums,
    tiny_options,
    write_tiny_video,
    write_tiny_videos,
)
from factories_workflows import SIZE, make_database, write_database, write_store

from tsmfeat.errors import (
    CheckpointError,
    ConfigurationError,
    InputError,
    OutputError,
    SpecMismatchError,
    StoreError,
)
from tsmfeat.formats.activitynet import read_predictions
from tsmfeat.formats.reading import read_predictions as read_any_predictions
from tsmfeat.formats.recognition import recognize_format
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.heads.checkpoint import HeadsCheckpoint, load_heads, save_heads
from tsmfeat.heads.options import HeadOptions
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.store.reader import open_features
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.video.options import VideoOptions
from tsmfeat.workflows import extract, predict, raw_videos
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.fitting import fit_heads
from tsmfeat.workflows.predict_options import PredictOptions
from tsmfeat.workflows.raw_videos import name_outputs
from tsmfeat.workflows.score_files import write_scores
from tsmfeat.workflows.score_options import ScoreOptions
from tsmfeat.workflows.scoring import score

__all__ = ["built_once"]

MEMBERS = {
    "t05": make_spec(SIZE),
    "t10": make_spec(SIZE, step_seconds=1.0, clip_seconds=1.0),
    "other": make_spec(SIZE, trunk="resnet50"),
}
GOLDEN = DATA / "evaluation" / "pred_binego_like.json"
NAMES = Vocabulary(("run", "eat", "read"))


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """Three stores and the heads fitted on each."""
    folder = tmp_path_factory.mktemp("task")
    database = make_database()
    write_database(folder / "gt.json", database)
    for number, (name, spec) in enumerate(MEMBERS.items()):
        write_store(folder / name, database, spec, noise=0.8, seed=number)
        fitting = FitOptions(HeadOptions(epochs=3 + number, lr=0.1, batch_size=64, seed=number))
        fit_heads(folder / name, folder / "gt.json", folder / f"{name}.heads", fitting)
    # Everything is predicted, so everything is scored: one subset.
    for video in database.values():
        video["subset"] = "all"
    write_database(folder / "all.json", database)
    return folder


def scored_bytes(task, folder, names, **options):
    """Return the prediction file that scoring leaves of the same heads and stores."""
    heads = [task / f"{name}.heads" for name in names]
    report = score(heads, task / "all.json", [task / name for name in names], ScoreOptions(**options))
    write_scores(report, folder)
    return (folder / "predictions.json").read_bytes()


# ---------------------------------------------------------------- stores


@pytest.mark.parametrize("names", [["t05"], ["t05", "t10"], ["t10", "other", "t05"]], ids="+".join)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weights": "validation", "localization": LocalizationOptions("threshold", 0.3, 1, 1.0, "extend", "mean:3")},
        {"fusion": FusionOptions(missing="present", union="sweep", fusion_tiou=0.3)},
    ],
    ids=["paper", "localized otherwise", "fused otherwise"],
)
def test_the_file_is_what_scoring_writes_byte_for_byte(task, tmp_path, names, options):
    heads = [task / f"{name}.heads" for name in names]
    report = predict([task / name for name in names], heads, tmp_path / "out.json", PredictOptions(**options))
    assert (tmp_path / "out.json").read_bytes() == scored_bytes(task, tmp_path / "scores", names, **options)
    assert report.heads == tuple(map(str, heads))
    assert sum(report.weights) == pytest.approx(1)
    assert not report.stopped


def test_weights_are_given_in_the_order_of_the_heads(task, tmp_path):
    heads, stores = [task / "t05.heads", task / "t10.heads"], [task / "t10", task / "t05"]
    report = predict(stores, heads, tmp_path / "out.json", PredictOptions(weights=(3.0, 1.0)))
    assert report.weights == (0.75, 0.25)
    expected = scored_bytes(task, tmp_path / "scores", ["t05", "t10"], weights=(3.0, 1.0))
    assert (tmp_path / "out.json").read_bytes() == expected


def test_a_report_tells_what_was_written(task, tmp_path):
    report = predict(str(task / "t05"), str(task / "t05.heads"), str(tmp_path / "deep" / "er" / "out.json"))
    found = json.loads(json.dumps(report.to_dict()))
    written = read_predictions(tmp_path / "deep" / "er" / "out.json")
    assert (found["num_videos"], found["num_segments"]) == (20, len(written.segments))
    assert written.scene_vocabulary.names == ("kitchen", "garden")
    assert (found["failed"], found["num_failed"], found["stopped"]) == ([], 0, False)
    assert found["options"]["localization"]["localize"] == "argmax"


def split_store(task, folder):
    """Lay the videos of one store into two, and return the halves."""
    database = make_database()
    halves = [dict(list(database.items())[part::2]) for part in (0, 1)]
    return [write_store(folder / f"half{part}", half) for part, half in enumerate(halves)]


def test_stores_of_one_spec_are_read_as_one(task, tmp_path):
    halves = split_store(task, tmp_path)
    report = predict(halves, task / "t05.heads", tmp_path / "out.json")
    assert report.predictions.video_ids == tuple(sorted(make_database()))
    alone = predict(halves[1], task / "t05.heads", tmp_path / "alone.json")
    assert len(alone.predictions.video_ids) == 10


def test_a_folder_of_several_specs_serves_heads_of_each(task, tmp_path):
    for name in ("t05", "t10"):
        for part in (task / name).iterdir():
            shutil.copy(part, tmp_path / f"{name}-{part.name}")
    predict(tmp_path, [task / "t05.heads", task / "t10.heads"], tmp_path / "out.json")
    assert (tmp_path / "out.json").read_bytes() == scored_bytes(task, tmp_path / "scores", ["t05", "t10"])


def test_a_pattern_stands_for_the_stores_it_matches(task, tmp_path):
    split_store(task, tmp_path)
    report = predict(f"{tmp_path}/half?", task / "t05.heads", tmp_path / "out.json")
    assert len(report.predictions.video_ids) == 20


def test_some_videos_are_predicted_alone_and_as_among_all(task, tmp_path):
    every = predict(task / "t05", task / "t05.heads", tmp_path / "all.json").predictions
    wanted = ("video 07", "video 03", "video 07")
    some = predict(task / "t05", task / "t05.heads", tmp_path / "some.json", PredictOptions(video_ids=wanted))
    assert some.predictions.video_ids == ("video 07", "video 03")
    content = [json.loads((tmp_path / name).read_text())["results"] for name in ("all.json", "some.json")]
    assert content[1] == {name: content[0][name] for name in ("video 07", "video 03")}
    assert len(every.video_ids) == 20


def test_an_unknown_video_is_refused_with_the_nearest_and_nothing_is_written(task, tmp_path):
    options = PredictOptions(video_ids=("video 03", "vidoe 07"))
    with pytest.raises(InputError, match="video 'vidoe 07' is not among the 20 stored") as caught:
        predict(task / "t05", task / "t05.heads", tmp_path / "out.json", options)
    assert caught.value.hint == "did you mean 'video 07'?"
    assert list(tmp_path.iterdir()) == []


def test_videos_that_one_of_several_stores_lacks_are_told(task, tmp_path):
    half = split_store(task, tmp_path)[0]
    heard = Recorder()
    report = predict([half, task / "t10"], [task / "t05.heads", task / "t10.heads"], tmp_path / "o.json", None, heard)
    assert len(report.predictions.video_ids) == 20
    ((_, warning),) = heard.of("warn")
    assert "10 of 20 videos have no features" in warning


def test_a_store_without_heads_is_told(task, tmp_path):
    heard = Recorder()
    predict([task / "t05", task / "t10"], task / "t05.heads", tmp_path / "out.json", None, heard)
    ((_, warning),) = heard.of("warn")
    assert warning.startswith(str(task / "t10"))
    assert "no heads were fitted on its spec" in warning


def test_heads_without_a_store_of_their_spec_name_each_field(task, tmp_path):
    with pytest.raises(SpecMismatchError, match=r"step_seconds: 0\.5 / 1\.0, clip_seconds: 0\.5 / 1\.0") as caught:
        predict(task / "t10", task / "t05.heads", tmp_path / "out.json")
    assert "trunk: resnet18 / resnet50" not in caught.value.message
    assert caught.value.hint == "name the store these heads were fitted on"
    with pytest.raises(SpecMismatchError, match="trunk: resnet18 / resnet50"):
        predict(task / "other", task / "t05.heads", tmp_path / "out.json")


def test_predicting_on_stores_loads_no_torch(task, tmp_path):
    code = (
        "import sys; from tsmfeat.workflows import predict; "
        f"predict({str(task / 't05')!r}, {str(task / 't05.heads')!r}, {str(tmp_path / 'o.json')!r}); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "False\n"


# ---------------------------------------------------------------- forms of the file


def rows_of(found):
    """Return (video, label, start, end, score) of every segment, numbers to a thousandth, sorted."""
    names = ("video", "label", "start", "end", "score")
    columns = (getattr(found.segments, name).round(3).tolist() for name in names)
    return sorted((found.video_ids[v], found.vocabulary.names[c], *rest) for v, c, *rest in zip(*columns, strict=True))


def plain_store(folder):
    """Write a store whose ids hold no white space: THUMOS14 lines have none."""
    return write_store(folder / "plain", {name.replace(" ", "_"): video for name, video in make_database().items()})


@pytest.mark.parametrize(
    ("name", "form", "recognized"),
    [
        ("o.json", "", "activitynet"),
        ("o.json.gz", "", "activitynet"),
        ("o.csv", "", "csv"),
        ("o.json", "csv", "csv"),
        ("o.txt", "thumos14", "thumos14"),
        ("o.csv", "binego360-video", "binego360"),
    ],
)
def test_any_format_is_written_and_read_again(task, tmp_path, name, form, recognized):
    store = plain_store(tmp_path)
    native = predict(store, task / "t05.heads", tmp_path / "native.json").predictions
    (tmp_path / "classes.txt").write_text("run\neat\nread\n")
    options = PredictOptions(format_name=form, classes=str(tmp_path / "classes.txt"))
    predict(store, task / "t05.heads", tmp_path / name, options)
    assert recognize_format(tmp_path / name).format_name == recognized
    found = read_any_predictions(tmp_path / name, classes=tmp_path / "classes.txt")
    if recognized == "binego360":
        assert len(found.segments) == len(native.segments)
    else:
        assert rows_of(found) == rows_of(native)


def test_what_a_form_cannot_hold_is_told(task, tmp_path):
    (tmp_path / "classes.txt").write_text("run\neat\nread\n")
    heard = Recorder()
    options = PredictOptions(classes=str(tmp_path / "classes.txt"))
    predict(plain_store(tmp_path), task / "t05.heads", tmp_path / "o.txt", options, heard)
    assert any("its form cannot hold" in message and "scene" in message for _, message in heard.of("warn"))


@pytest.mark.parametrize(
    ("name", "changes", "error", "words"),
    [
        ("o.xyz", {}, ConfigurationError, "its name does not tell the format"),
        ("o.json", {"format_name": "actvitynet"}, ConfigurationError, "no format 'actvitynet'"),
        ("o.json", {"format_name": "x360"}, ConfigurationError, "no format 'x360' for predictions"),
        ("o.csv", {"format_name": "binego360"}, InputError, "run"),
        ("o.csv", {"classes": "nowhere.txt"}, InputError, "nowhere.txt"),
        ("o.csv", {"format_name": "binego360", "sample": "nowhere.csv"}, InputError, "nowhere.csv"),
        ("o.csv", {"format_name": "csv", "sample": "sample.csv"}, ConfigurationError, "a sample submission, but"),
    ],
)
def test_a_form_that_cannot_be_written_is_refused_before_the_work(
    task, tmp_path, monkeypatch, name, changes, error, words
):
    monkeypatch.setattr("tsmfeat.workflows.prediction.open_sources", None)
    with pytest.raises(error, match=words) as caught:
        predict(task / "t05", task / "t05.heads", tmp_path / name, PredictOptions(**changes))
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_the_rows_of_a_sample_submission_are_written(task, tmp_path):
    (tmp_path / "sample.csv").write_text("id,prediction\nvideo 01_0_10,[]\nvideo 02_0_10,[]\n")
    (tmp_path / "classes.txt").write_text("run\neat\nread\n")
    options = PredictOptions(classes=str(tmp_path / "classes.txt"), sample=str(tmp_path / "sample.csv"))
    predict(task / "t05", task / "t05.heads", tmp_path / "o.csv", options)
    lines = (tmp_path / "o.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["id", "video 01_0_10", "video 02_0_10"]


# ---------------------------------------------------------------- what does not fit


def wrong(task, tmp_path):
    """Return (sources, heads, options, error, words) of runs that are refused."""
    t05, heads, gt = task / "t05", task / "t05.heads", task / "gt.json"
    (tmp_path / "empty").mkdir()
    mixed = shutil.copytree(t05, tmp_path / "mixed")
    (mixed / "clip.mp4").write_bytes(b"x")
    plain = PredictOptions()
    return {
        "predictions for a store": (GOLDEN, heads, plain, InputError, "a prediction file; predictions are made on"),
        "no source": ([], heads, plain, ConfigurationError, "no source to predict on"),
        "no heads": (t05, [], plain, ConfigurationError, "no heads to predict with"),
        "heads that are missing": (t05, task / "nowhere", plain, CheckpointError, "nowhere"),
        "a store for heads": (t05, t05, plain, InputError, "a feature store; heads are checkpoints"),
        "annotations for heads": (t05, gt, plain, InputError, "an annotation file; heads are checkpoints"),
        "heads for a store": (heads, heads, plain, InputError, "a heads checkpoint; predictions are made on"),
        "annotations for a store": (gt, heads, plain, InputError, "an annotation file; predictions are made on"),
        "a store that is missing": (task / "nowhere.h5", heads, plain, StoreError, "nowhere.h5"),
        "a folder that is missing": (task / "nowhere", heads, plain, InputError, "no such file or folder"),
        "an empty folder": (tmp_path / "empty", heads, plain, ConfigurationError, "no video in"),
        "stores and videos at once": ([t05, "clip.mp4"], heads, plain, ConfigurationError, "on stores or on raw"),
        "a folder of both": (mixed, heads, plain, ConfigurationError, "holds feature stores and videos (clip.mp4)"),
        "features that are there to keep": (t05, heads, replace(plain, features_out="x.h5"), ConfigurationError,
                                            "the sources are stores already"),
        "several heads as they are": (t05, [heads, heads], PredictOptions(fusion=FusionOptions("none")),
                                      ConfigurationError, "2 heads and --fusion none"),
        "too few weights": (t05, [heads, heads], PredictOptions(weights=(1.0,)), ConfigurationError, "1 weights for 2"),
        "one of the videos of raw ones": ("clip.mp4", heads, PredictOptions(video_ids=("clip",)), ConfigurationError,
                                          "picks from a feature store"),
        "no checkpoint for raw videos": (mixed / "clip.mp4", heads, plain, ConfigurationError, "no checkpoint is"),
    }  # fmt: skip


CASES = [
    "predictions for a store",
    "no source",
    "no heads",
    "heads that are missing",
    "a store for heads",
    "annotations for heads",
    "heads for a store",
    "annotations for a store",
    "a store that is missing",
    "a folder that is missing",
    "an empty folder",
    "stores and videos at once",
    "a folder of both",
    "features that are there to keep",
    "several heads as they are",
    "too few weights",
    "one of the videos of raw ones",
    "no checkpoint for raw videos",
]


@pytest.mark.parametrize("name", CASES)
def test_what_does_not_fit_is_refused_with_a_remedy_and_leaves_nothing(task, tmp_path, name):
    (tmp_path / "work").mkdir()
    cases = wrong(task, tmp_path / "work")
    assert list(cases) == CASES
    sources, heads, options, error, words = cases[name]
    with pytest.raises(error) as caught:
        predict(sources, heads, tmp_path / "out.json", options)
    assert words in caught.value.message
    assert caught.value.hint
    assert not (tmp_path / "out.json").exists()


def test_only_predictions_are_replaced(task, tmp_path):
    out = tmp_path / "out.json"
    for content in ('{"database": {}}', "notes", "\x89HDF"):
        out.write_text(content, encoding="latin-1")
        before = out.read_bytes()
        with pytest.raises(ConfigurationError, match="exists and holds no predictions"):
            predict(task / "t05", task / "t05.heads", out)
        assert out.read_bytes() == before
    for content in ('{"results": {}}', ""):
        out.write_text(content)
        predict(task / "t05", task / "t05.heads", out)
        assert len(read_predictions(out).segments) > 20


def test_a_folder_is_no_prediction_file(task, tmp_path):
    with pytest.raises(ConfigurationError, match="a folder; predictions go into a file"):
        predict(task / "t05", task / "t05.heads", tmp_path)


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(task, tmp_path, monkeypatch):
    monkeypatch.setattr("tsmfeat.workflows.prediction_files.os.access", lambda *_: False)
    monkeypatch.setattr("tsmfeat.workflows.prediction.open_sources", None)
    with pytest.raises(OutputError, match=f"{tmp_path}: cannot be written to"):
        predict(task / "t05", task / "t05.heads", tmp_path / "deep" / "out.json")


def test_a_full_disk_leaves_what_was_there(task, tmp_path, monkeypatch):
    out = tmp_path / "out.json"
    out.write_text('{"results": {}}')

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tsmfeat.files.os.write", full)
    with pytest.raises(OutputError, match="No space left"):
        predict(task / "t05", task / "t05.heads", out)
    assert out.read_text() == '{"results": {}}'
    assert list(tmp_path.iterdir()) == [out]


# ---------------------------------------------------------------- raw videos


@pytest.fixture(autouse=True)
def matched_once(monkeypatch):
    """Build every trunk once a session, here too."""
    monkeypatch.setattr("tsmfeat.workflows.trunk_matching.load_trunk", _load_once)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """An own folder for temporary files, to see what is left in it."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    write_tiny_videos(folder, 3)
    return folder


def raw_spec(**changes):
    """Return the spec of tiny features of an untrained trunk."""
    digest = _build_once("resnet18", 2, changes.pop("checkpoint", "random:0"), shift=True, shift_div=8)
    spec = make_spec(512, checkpoint_digest=digest.checkpoint_digest, num_frames=2, geometry="square32")
    return replace(spec, **changes)


def save_raw_heads(path, spec, seed=0):
    """Save heads with random weights: what they say is not asked, only that it is the same."""
    save_heads(path, HeadsCheckpoint(make_weights(3, 2, 512, seed), spec, NAMES, Vocabulary(("kitchen", "garden"))))
    return path


def raw_options(*checkpoints, **changes):
    return PredictOptions(checkpoints=checkpoints or ("random:0",), video=VideoOptions(workers=1), **changes)


def test_raw_videos_are_predicted_as_their_stored_features_are(videos, tmp_path, temporary):
    heads = save_raw_heads(tmp_path / "heads", raw_spec())
    extract([str(videos)], tmp_path / "x.h5", tiny_options())
    predict(tmp_path / "x.h5", heads, tmp_path / "stored.json")
    report = predict(videos, heads, tmp_path / "raw.json", raw_options(device="cpu"))
    assert (tmp_path / "raw.json").read_bytes() == (tmp_path / "stored.json").read_bytes()
    assert report.predictions.video_ids == ("clip0", "clip1", "clip2")
    assert len(report.predictions.segments) > 0
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("form", ["files", "pattern", "list"])
def test_videos_are_named_as_for_extracting(videos, tmp_path, form):
    heads = save_raw_heads(tmp_path / "heads", raw_spec())
    (tmp_path / "list.txt").write_text(f"{videos / 'clip0.mp4'}\n{videos / 'clip2.mp4'}\n")
    sources = {
        "files": [videos / "clip0.mp4", videos / "clip2.mp4"],
        "pattern": f"{videos}/clip[02].mp4",
        "list": tmp_path / "list.txt",
    }[form]
    assert predict(sources, heads, tmp_path / "o.json", raw_options()).predictions.video_ids == ("clip0", "clip2")


@pytest.mark.parametrize(
    "changes",
    [
        {"step_seconds": 0.25, "clip_seconds": 1.0, "view": "front"},
        {"shift": False, "geometry": "short32-crop24", "num_frames": 3},
        {"precision": "bf16", "shift_div": 4},
        {"resize_filter": "reader", "reader": "decord"},
    ],
    ids=["time and view", "frames", "numbers", "the reader's scaler"],
)
def test_features_are_made_with_exactly_the_spec_the_heads_demand(videos, tmp_path, changes):
    spec = raw_spec(**changes)
    heads = save_raw_heads(tmp_path / "heads", spec)
    predict(videos / "clip0.mp4", heads, tmp_path / "o.json", raw_options(features_out=str(tmp_path / "kept.h5")))
    with open_features(tmp_path / "kept.h5") as store:
        assert store.spec == spec == load_heads(heads).spec


def test_only_the_videos_named_are_predicted_from_features_that_were_kept(videos, tmp_path):
    heads, options = save_raw_heads(tmp_path / "heads", raw_spec()), raw_options(features_out=str(tmp_path / "kept.h5"))
    every = predict(videos, heads, tmp_path / "all.json", options).predictions
    assert len(every.video_ids) > 1
    one = predict(videos / "clip0.mp4", heads, tmp_path / "one.json", options).predictions
    assert one.video_ids == ("clip0",)


def test_each_spec_is_extracted_once_and_each_trunk_found_by_its_digest(videos, tmp_path, temporary, monkeypatch):
    specs = [raw_spec(), raw_spec(step_seconds=1.0, clip_seconds=1.0), raw_spec(checkpoint="random:1")]
    heads = [save_raw_heads(tmp_path / f"h{number}", spec, number) for number, spec in enumerate([*specs, specs[0]])]
    calls = []
    real = raw_videos.run_plan
    monkeypatch.setattr(raw_videos, "run_plan", lambda *words: calls.append(words) or real(*words))
    kept = tmp_path / "kept"
    report = predict(videos, heads, tmp_path / "o.json", raw_options("random:1", "random:0", features_out=str(kept)))
    # One pass over the videos, each trunk loaded once.
    ((plan, asked, *_),) = calls
    assert [trunk.checkpoint for trunk in asked.trunks] == ["random:0", "random:1"]
    assert [(output.spec, output.trunk) for output in plan.outputs] == list(zip(specs, (0, 0, 1), strict=True))
    assert len(report.weights) == 4
    names = sorted(path.name for path in kept.iterdir())
    assert names == sorted(path.name for path in name_outputs(kept, specs))
    assert "resnet18_t1.h5" in names
    assert sum(name.startswith("resnet18_t0.5_") for name in names) == 2
    again = predict(kept, heads, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "o.json").read_bytes()
    assert again.weights == report.weights


def test_kept_features_are_not_made_again(videos, tmp_path):
    heads = save_raw_heads(tmp_path / "heads", raw_spec())
    options = raw_options(features_out=str(tmp_path / "kept.h5"))
    predict(videos / "clip0.mp4", heads, tmp_path / "o.json", options)
    heard = Recorder()
    report = predict([videos], heads, tmp_path / "o.json", options, heard)
    assert ("note", "1 of 3 videos are finished already") in heard.of("note")
    assert len(report.predictions.video_ids) == 3


def test_kept_features_of_another_spec_are_refused(videos, tmp_path):
    extract([str(videos / "clip0.mp4")], tmp_path / "x.h5", tiny_options(step_seconds=1.0))
    heads = save_raw_heads(tmp_path / "heads", raw_spec())
    with pytest.raises(SpecMismatchError, match=r"step_seconds: 1\.0 / 0\.5"):
        predict(videos, heads, tmp_path / "o.json", raw_options(features_out=str(tmp_path / "x.h5")))


def test_a_file_for_the_features_of_several_specs_is_refused(videos, tmp_path):
    heads = [save_raw_heads(tmp_path / f"h{step}", raw_spec(step_seconds=step, clip_seconds=step)) for step in (0.5, 1)]
    with pytest.raises(ConfigurationError, match="there are 2 kinds of features") as caught:
        predict(videos, heads, tmp_path / "o.json", raw_options(features_out=str(tmp_path / "x.h5")))
    assert caught.value.hint == f"name a folder, each gets a file in it: {tmp_path / 'x'}"


def test_a_wrong_checkpoint_is_refused_with_the_digests_wanted_and_found(videos, tmp_path, temporary):
    heads = save_raw_heads(tmp_path / "heads", raw_spec())
    digests = [
        _build_once("resnet18", 2, f"random:{seed}", shift=True, shift_div=8).checkpoint_digest for seed in (0, 1)
    ]
    with pytest.raises(SpecMismatchError) as caught:
        predict(videos, heads, tmp_path / "o.json", raw_options("random:1", str(tmp_path / "nowhere.pth")))
    assert f"demand resnet18 with weights of digest {digests[0][:12]}" in caught.value.message
    assert f"random:1 has {digests[1][:12]}" in caught.value.message
    assert "nowhere.pth: does not exist" in caught.value.message
    assert not (tmp_path / "o.json").exists()
    assert list(temporary.iterdir()) == []


def test_a_checkpoint_that_cannot_be_read_is_named(videos, tmp_path):
    heads = save_raw_heads(tmp_path / "heads", raw_spec())
    with pytest.raises(CheckpointError, match="does not exist"):
        predict(videos, heads, tmp_path / "o.json", raw_options(str(tmp_path / "nowhere.pth")))


def test_a_list_on_stdin_serves_one_decoder(videos, tmp_path, monkeypatch):
    heads = [save_raw_heads(tmp_path / f"h{step}", raw_spec(step_seconds=step, clip_seconds=step)) for step in (0.5, 1)]

    def listed():
        return SimpleNamespace(buffer=io.BytesIO(f"{videos / 'clip1.mp4'}\n".encode()))

    monkeypatch.setattr("sys.stdin", listed())
    assert predict("-", heads[0], tmp_path / "o.json", raw_options()).predictions.video_ids == ("clip1",)
    monkeypatch.setattr("sys.stdin", listed())
    assert predict("-", heads, tmp_path / "o.json", raw_options()).predictions.video_ids == ("clip1",)
    scaled = save_raw_heads(tmp_path / "scaled", raw_spec(resize_filter="reader", reader="pyav"))
    with pytest.raises(ConfigurationError, match="videos listed on stdin can be read once"):
        predict("-", [heads[0], scaled], tmp_path / "o.json", raw_options())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sampling_version": 2}, "sampling_version 2; this version makes 1"),
        ({"resize_filter": "x"}, "resize_filter 'x'; this version makes 'pil' or 'reader'"),
        ({"resize_filter": "reader", "reader": "nvdec"}, "reader 'nvdec'"),
    ],
)
def test_features_that_cannot_be_made_here_are_refused_before_the_work(videos, tmp_path, changes, words):
    heads = save_raw_heads(tmp_path / "heads", raw_spec(**changes))
    with pytest.raises(SpecMismatchError, match=words):
        predict(videos, heads, tmp_path / "o.json", raw_options())


def test_heads_of_several_views_need_stores(videos, tmp_path):
    heads = [save_raw_heads(tmp_path / f"h{view}", raw_spec(view=view)) for view in ("front", "top")]
    with pytest.raises(ConfigurationError, match="on the views 'front', 'top'; a raw video shows one"):
        predict(videos, heads, tmp_path / "o.json", raw_options())


def test_an_unreadable_video_is_listed_and_the_others_predicted(videos, tmp_path, temporary):
    (tmp_path / "bad.mp4").write_text("no video")
    heads = save_raw_heads(tmp_path / "heads", raw_spec())
    sources = [videos / "clip0.mp4", tmp_path / "bad.mp4", tmp_path / "nowhere.txt"]
    (tmp_path / "nowhere.txt").write_text("gone.mp4\n")
    report = predict(sources, heads, tmp_path / "o.json", raw_options())
    assert report.predictions.video_ids == ("clip0",)
    assert [entry["path"] for entry in report.failed] == [str(tmp_path / "bad.mp4"), str(tmp_path / "gone.mp4")]
    assert report.failed[0]["reason"].startswith("not a readable video")
    assert report.to_dict()["num_failed"] == 2
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("count", [1, 2])
def test_no_readable_video_at_all_is_an_error_and_leaves_nothing(tmp_path, temporary, count):
    paths = [tmp_path / f"bad{number}.mp4" for number in range(count)]
    for path in paths:
        path.write_text("no video")
    heads = save_raw_heads(tmp_path / "heads", raw_spec())
    with pytest.raises(InputError, match=r"bad0\.mp4: not a readable video") as caught:
        predict(paths, heads, tmp_path / "o.json", raw_options())
    assert ("none of 2 videos can be read" in caught.value.message) == (count == 2)
    assert "tsmfeat validate" in caught.value.hint
    assert list(temporary.iterdir()) == []
    assert not (tmp_path / "o.json").exists()


def test_a_video_shorter_than_a_step_is_predicted_empty(videos, tmp_path):
    short = write_tiny_video(tmp_path / "short.mp4", 0.3)
    heads = save_raw_heads(tmp_path / "heads", raw_spec())
    report = predict([short], heads, tmp_path / "o.json", raw_options())
    assert json.loads((tmp_path / "o.json").read_text())["results"] == {"short": []}
    assert report.to_dict()["num_segments"] == 0


@pytest.mark.parametrize("keeps", [True, False])
def test_a_stopped_run_writes_no_predictions(videos, tmp_path, temporary, keeps):
    heads = save_raw_heads(tmp_path / "heads", raw_spec())
    options = raw_options(features_out=str(tmp_path / "kept") if keeps else "")
    report = predict([videos], heads, tmp_path / "o.json", options, should_stop=lambda: True)
    assert report.stopped
    assert report.to_dict()["stopped"] is True
    assert not (tmp_path / "o.json").exists()
    assert list(temporary.iterdir()) == []
    assert not predict([videos], heads, tmp_path / "o.json", options).stopped


def test_what_breaks_an_extraction_leaves_no_features(videos, tmp_path, temporary, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(raw_videos, "require_same_spec", fail)
    heads = save_raw_heads(tmp_path / "heads", raw_spec())
    with pytest.raises(KeyboardInterrupt):
        predict([videos / "clip0.mp4"], heads, tmp_path / "o.json", raw_options())
    assert list(temporary.iterdir()) == []


def test_the_parts_of_a_running_extraction_are_a_store(videos, tmp_path):
    leave_parts([videos / "clip0.mp4", videos / "clip1.mp4"], tmp_path / "x.h5")
    heads = save_raw_heads(tmp_path / "heads", raw_spec())
    assert not (tmp_path / "x.h5").exists()
    report = predict(tmp_path / "x.h5", heads, tmp_path / "o.json")
    assert report.predictions.video_ids == ("clip0", "clip1")


@pytest.mark.golden
def test_a_real_video_becomes_predictions_in_one_call(shared_data, tmp_path, temporary):
    heads = save_raw_heads(tmp_path / "heads", raw_spec(geometry="square48"))
    names = ("v_GGSY1Qvo990.mp4", "unordered.mov", "test.avi", "h265_video.mp4")
    sources = [shared_data(f"videos/{name}") for name in names]
    report = predict(sources, heads, tmp_path / "o.json", raw_options())
    assert report.failed == ()
    assert set(report.predictions.video_ids) == {"v_GGSY1Qvo990", "unordered", "test", "h265_video"}
    found = read_predictions(tmp_path / "o.json", invalid="error")
    assert len(found.segments) == len(report.predictions.segments) > 0
    # Bounds are multiples of the step, whatever the container.
    assert np.array_equal(found.segments.start % 0.5, np.zeros(len(found.segments)))


def test_one_trunk_may_take_frames_of_two_sizes_in_one_pass(videos, tmp_path, temporary):
    specs = [raw_spec(), raw_spec(geometry="square48")]
    heads = [save_raw_heads(tmp_path / f"h{number}", spec, number) for number, spec in enumerate(specs)]
    both = predict(videos, heads, tmp_path / "both.json", raw_options(features_out=str(tmp_path / "kept")))
    assert len(both.weights) == 2
    for spec, path in zip(specs, name_outputs(tmp_path / "kept", specs), strict=True):
        alone = tiny_options(num_frames=spec.num_frames, resize=spec.geometry)
        extract([str(videos)], tmp_path / f"{spec.geometry}.h5", alone)
        assert stored_checksums(path) == stored_checksums(tmp_path / f"{spec.geometry}.h5")
