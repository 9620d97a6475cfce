"""What `inspect` tells of every kind of file, and of one video of it."""

import json
from fractions import Fraction

import numpy as np
import pytest
import torch
from conftest import DATA
from factories_store import make_spec, make_videos, write_parts
from factories_video import cut, make_video
from factories_videos import _build_once
from factories_workflows import (
    make_database,
    perfect_results,
    write_database,
    write_predictions_file,
    write_store,
)
from typer.testing import CliRunner

from tsmfeat.errors import CheckpointError, ConfigurationError, InputError, VideoError
from tsmfeat.files import sha256_file
from tsmfeat.formats.activitynet import read_annotations, read_predictions
from tsmfeat.heads.options import HeadOptions
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.trunk.checkpoint import save_trunk
from tsmfeat.values.segments import Segments
from tsmfeat.workflows import inspect
from tsmfeat.workflows.failures import Failure, save_failures
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.fitting import fit_heads
from tsmfeat.workflows.label_summaries import tied_share
from tsmfeat_cli.main import app

GOLDEN = DATA / "evaluation"
DATABASE = {
    "a": {
        "subset": "training",
        "duration": 10.0,
        "scene": "kitchen",
        "annotations": [
            {"label": "run", "segment": [0.0, 4.0]},
            {"label": "eat", "segment": [2.0, 5.0]},
            {"label": "run", "segment": [8.0, 12.0]},
            {"label": "run", "segment": [3.0, 3.0]},
        ],
    },
    "b": {"subset": "testing", "duration": 10.0, "annotations": []},
    "c": {"subset": "training", "annotations": [{"label": "eat", "segment": [1.0, 2.0]}]},
}
RESULTS = {
    "a": [
        {"label": "run", "segment": [0.0, 2.0], "score": 0.5},
        {"label": "run", "segment": [1.0, 4.0], "score": 0.5},
        {"label": "eat", "segment": [1.0, 2.0], "score": 0.25},
        {"label": "run", "segment": [2.0, 2.0], "score": 0.9},
    ],
    "b": [{"label": "run", "segment": [6.0, 8.0], "score": 0.75}],
    "d": [],
}


def call(*words, code=0):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    write_database(folder / "gt.json", DATABASE)
    scenes = {"a": [{"label": "kitchen", "score": 0.2}, {"label": "garden", "score": 0.8}]}
    write_predictions_file(folder / "found.json", RESULTS, scenes)
    database = make_database()
    write_database(folder / "task.json", database)
    write_store(folder / "store", database)
    fitting = FitOptions(HeadOptions(epochs=2, lr=0.1))
    fit_heads(folder / "store", folder / "task.json", folder / "heads", fitting)
    make_video(folder / "film.mp4", range(31))
    return folder


def test_annotations_are_counted_by_hand(folder):
    found = inspect(folder / "gt.json")
    assert found["kind"] == "annotations"
    assert (found["num_videos"], found["num_segments"], found["num_dropped"]) == (3, 4, 1)
    assert found["subsets"] == {"training": 2, "testing": 1}
    assert found["scenes"] == {"kitchen": 1}
    assert found["classes"] == [
        {"label": "run", "num_segments": 2, "seconds": 8.0},
        {"label": "eat", "num_segments": 2, "seconds": 4.0},
    ]
    assert found["segment_seconds"] == {"min": 1.0, "median": 3.5, "max": 4.0}
    assert (found["num_known_durations"], found["total_duration_seconds"]) == (2, 20.0)
    # 0-5 and 8-10 of twenty known seconds; c's length is unknown.
    assert found["coverage"] == pytest.approx(7 / 20)
    assert found["videos"][2] == {
        "video_id": "c",
        "subset": "training",
        "duration_seconds": None,
        "scene": None,
        "num_segments": 1,
    }


def test_predictions_are_counted_by_hand(folder):
    found = inspect(folder / "found.json")
    assert found["kind"] == "predictions"
    assert (found["num_videos"], found["num_segments"], found["num_dropped"]) == (3, 4, 1)
    assert found["score_range"] == [0.25, 0.75]
    assert found["tied_share"] == 0.5
    assert found["scenes"] == {"garden": 1}
    assert (found["coverage"], found["num_known_durations"], found["num_ending_early"]) == (None, 0, 0)
    assert [video["last_end_seconds"] for video in found["videos"]] == [4.0, 8.0, None]


def test_known_durations_give_the_coverage_and_show_what_ends_early(folder):
    found = inspect(folder / "found.json", durations=folder / "gt.json")
    assert found["num_known_durations"] == 2
    assert found["coverage"] == pytest.approx((4 + 2) / 20)
    assert found["num_ending_early"] == 1
    done = call("inspect", folder / "found.json", "--durations", folder / "gt.json")
    assert "in 1 of 2 videos the last prediction ends in the first half" in done.stderr
    assert "1 segments are left out" in done.stderr
    assert "ends in the first half" not in call("inspect", folder / "found.json").stderr


def test_a_store_knows_durations_too(folder, tmp_path):
    found = write_predictions_file(tmp_path / "found.json", perfect_results(make_database()))
    described = inspect(found, durations=folder / "store")
    assert described["num_known_durations"] == described["num_videos"] == 4
    assert described["num_ending_early"] == 0


def test_tables_are_described_as_json_is(folder, tmp_path):
    rows = [
        f"{name},{row['label']},{row['segment'][0]},{row['segment'][1]},{row['score']}"
        for name, listed in RESULTS.items()
        for row in listed
    ]
    (tmp_path / "found.csv").write_text("\n".join(["video_id,label,start,end,score", *rows]) + "\n")
    table, native = inspect(tmp_path / "found.csv"), inspect(folder / "found.json")
    assert (table["format"], native["format"]) == ("csv", "activitynet")
    for name in ("num_segments", "num_dropped", "classes", "segment_seconds", "score_range", "tied_share"):
        assert table[name] == native[name]


def test_nothing_predicted_is_described(tmp_path):
    found = inspect(write_predictions_file(tmp_path / "none.json", {"a": []}))
    assert (found["num_segments"], found["score_range"], found["segment_seconds"]) == (0, None, None)
    assert (found["tied_share"], found["classes"]) == (0.0, [])


def test_ties_are_counted_within_a_class():
    rng = np.random.default_rng(0)
    label, score = rng.integers(0, 3, 200), rng.integers(0, 30, 200) / 30
    pairs = list(zip(label.tolist(), score.tolist(), strict=True))
    expected = sum(pairs.count(pair) > 1 for pair in pairs) / 200
    assert 0 < expected < 1
    zeros = np.zeros(200)
    assert tied_share(Segments(zeros, label, zeros, zeros + 1, score)) == expected


def test_the_tied_share_of_a_real_file_is_the_one_scoring_prints(shared_data):
    found = inspect(path := shared_data("evaluation/pred_activitynet_sample.json.gz"))
    truth = read_annotations(shared_data("evaluation/gt_activitynet13_validation.json.gz"))
    evaluation = evaluate(read_predictions(path), truth)
    assert evaluation.num_ignored == 0
    assert found["tied_share"] == pytest.approx(evaluation.tied_share, abs=1e-12)
    assert found["tied_share"] > 0.1


def test_heads_tell_what_they_know(folder):
    found = inspect(folder / "heads")
    assert (found["kind"], found["version"], found["tasks"]) == ("heads", 2, ["action", "scene"])
    assert found["classes"] == ["eat", "read", "run"] or set(found["classes"]) == {"run", "eat", "read"}
    assert set(found["scenes"]) == {"kitchen", "garden"}
    assert found["spec"] == make_spec(8).to_dict()
    assert found["options"]["epochs"] == 2
    assert found["validation"]["final_score"] == found["record"]["validation"]["final_score"]
    text = call("inspect", folder / "heads").stdout
    assert "linear heads, version 2: action and scene, 3 classes, 2 scenes; validation final score" in text
    assert "step_seconds" in text
    assert len(call("inspect", folder / "heads", "-v").stdout) > len(text)


def test_a_trunk_of_ours_and_of_torch_are_described(tmp_path):
    trunk = _build_once("resnet18", 2, "random:0", shift=True, shift_div=8)
    save_trunk(tmp_path / "own", trunk, {"trunk": "resnet18"})
    torch.save({"state_dict": trunk.state_dict()}, tmp_path / "torch.pth")
    own, foreign = inspect(tmp_path / "own"), inspect(tmp_path / "torch.pth")
    assert (own["kind"], own["form"], own["header"]["trunk"]) == ("trunk", "safetensors", "resnet18")
    assert (foreign["kind"], foreign["form"], foreign["header"]) == ("trunk", "torch", None)
    values = [value for name, value in trunk.state_dict().items() if not name.endswith("num_batches_tracked")]
    assert foreign["num_tensors"] == own["num_tensors"] == len(values)
    assert foreign["num_numbers"] == own["num_numbers"] == sum(value.numel() for value in values)
    assert (own["trunk"], foreign["trunk"]) == ("resnet18", "resnet18")
    assert (own["layout"], foreign["layout"]) == ("tsmfeat", "torchvision")
    assert own["sha256"] == sha256_file(tmp_path / "own")
    assert own["dtypes"] == {"float32": own["num_tensors"]}
    assert "trunk checkpoint, safetensors file" in call("inspect", tmp_path / "own").stdout
    assert "trunk checkpoint, torch file" in call("inspect", tmp_path / "torch.pth").stdout


def test_the_shift_an_official_checkpoint_was_trained_with_is_told(tmp_path):
    trunk = _build_once("resnet18", 2, "random:0", shift=True, shift_div=8)
    renamed = {
        f"module.base_model.{name}".replace("conv1.weight", "conv1.net.weight")
        if "layer" in name
        else f"module.base_model.{name}": value
        for name, value in trunk.state_dict().items()
    }
    torch.save({"state_dict": renamed}, tmp_path / "tsm.pth.tar")
    found = inspect(tmp_path / "tsm.pth.tar")
    assert (found["layout"], found["trunk"]) == ("official TSM", "resnet18")
    assert found["placement"]["kind"] == "blockres"
    assert len(found["placement"]["blocks"]) == 8
    text = call("inspect", tmp_path / "tsm.pth.tar").stdout
    assert "official TSM" in text
    assert "blockres" in text


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return (open, (str(self.marker), "w"))


def test_a_pickle_bomb_is_refused_and_never_goes_off(tmp_path):
    torch.save({"w": Bomb(tmp_path / "marker")}, tmp_path / "bomb.pth")
    with pytest.raises(CheckpointError, match="refused it with weights_only"):
        inspect(tmp_path / "bomb.pth")
    assert not (tmp_path / "marker").exists()


def test_a_torch_file_without_tensors_is_no_checkpoint(tmp_path):
    torch.save({"epoch": 3}, tmp_path / "none.pth")
    with pytest.raises(CheckpointError, match="no tensors"):
        inspect(tmp_path / "none.pth")


def test_a_video_is_described(folder):
    found = inspect(folder / "film.mp4")
    assert (found["kind"], found["video_id"], found["codec"]) == ("video", "film", "h264")
    assert (found["width"], found["height"], found["rotation"]) == (64, 48, 0)
    assert (found["num_frames"], found["num_expected"]) == (31, 31)
    assert found["duration_seconds"] == pytest.approx(31 / 30)
    assert (found["frame_rate"], found["variable_frame_rate"]) == (pytest.approx(30), False)
    assert found["num_intervals"] == {"0.25": 4, "0.5": 2, "1": 1}
    assert found["whole_file"] is True
    text = call("inspect", folder / "film.mp4").stdout
    assert text.startswith("video: h264 in mov,mp4,m4a,3gp,3g2,mj2, 64×48, 30.000 frames/s (constant), 1.033 s\n")


def test_variable_rates_rotation_and_single_frames_show(tmp_path):
    stamps = [0, 3, 4, 9, 10, 20]
    found = inspect(make_video(tmp_path / "uneven.mp4", stamps, rotation=90))
    assert found["variable_frame_rate"] is True
    assert found["frame_rate"] == pytest.approx(5 / (20 / 30))
    assert abs(found["rotation"]) == 90
    single = inspect(make_video(tmp_path / "one.mp4", range(1)))
    assert (single["num_frames"], single["frame_rate"]) == (1, None)


def test_stamps_rounded_by_a_container_are_no_variable_rate(tmp_path):
    found = inspect(make_video(tmp_path / "a.mkv", range(60), Fraction(1, 60)))
    assert found["variable_frame_rate"] is False


def test_a_video_cut_short_is_told(tmp_path):
    whole = make_video(tmp_path / "film.mp4", range(200), container_options={"movflags": "faststart"})
    found = inspect(cut(whole, 0.6))
    assert found["whole_file"] is False
    assert found["num_frames"] < found["num_expected"]
    assert "the file ends before its video does" in call("inspect", tmp_path / "cut-film.mp4").stderr


def test_an_unreadable_video_is_an_error(tmp_path):
    (tmp_path / "bad.mp4").write_text("no video")
    with pytest.raises(VideoError, match="not a readable video"):
        inspect(tmp_path / "bad.mp4")


def test_failures_are_listed(tmp_path):
    failures = {name: Failure(name, f"{name}.mp4", "probe", "no video", 2) for name in ("walk", "run")}
    save_failures(tmp_path / "x.failures.csv", failures, failures)
    found = inspect(tmp_path / "x.failures.csv")
    assert (found["kind"], found["num_videos"]) == ("failures", 2)
    assert found["videos"][0] == {
        "video_id": "run",
        "path": "run.mp4",
        "stage": "probe",
        "reason": "no video",
        "attempts": 2,
    }
    lines = call("inspect", tmp_path / "x.failures.csv").stdout.splitlines()
    assert lines[0] == "failures: 2 videos that could not be extracted"
    assert lines[2].split() == ["walk", "probe", "no", "video"]
    assert inspect(tmp_path / "x.failures.csv", "walk")["video"]["attempts"] == 2


# ---------------------------------------------------------------- one video


def test_one_video_of_each_kind_is_shown_alone(folder):
    stored = inspect(folder / "store", "video 03")
    assert stored["kind"] == "features"
    assert len(stored["video"]["distinct_frames"]) == stored["video"]["num_intervals"] > 0
    assert stored["video"]["decoder"] == "pyav"
    annotated = inspect(folder / "gt.json", "a")
    assert [row["label"] for row in annotated["video"]["segments"]] == ["run", "eat", "run"]
    assert annotated["video"]["segments"][1]["segment"] == [2.0, 5.0]
    predicted = inspect(folder / "found.json", "b")["video"]
    assert predicted["segments"] == [{"label": "run", "segment": [6.0, 8.0], "score": 0.75}]
    text = call("inspect", folder / "found.json", "--video", "b").stdout
    assert "label: run" in text
    assert "6, 8" in text
    found = json.loads(call("inspect", folder / "found.json", "--video", "b", "--json").stdout)
    assert found["video"] == predicted


@pytest.mark.parametrize(
    ("name", "video_id", "hint"),
    [
        ("store", "vidoe 03", "did you mean 'video 03'?"),
        ("task.json", "video_07", "did you mean 'video 07'?"),
        ("found.json", "zzz", "--verbose lists them"),
    ],
)
def test_an_unknown_video_is_refused_with_the_nearest(folder, name, video_id, hint):
    with pytest.raises(InputError, match=repr(video_id)) as caught:
        inspect(folder / name, video_id)
    assert hint in caught.value.hint
    done = call("inspect", folder / name, "--video", video_id, code=4)
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["heads", "film.mp4"])
def test_one_video_is_asked_of_lists_only(folder, name):
    with pytest.raises(ConfigurationError, match="--video a"):
        inspect(folder / name, "a")


def test_durations_are_for_predictions_and_from_those_who_know_them(folder):
    with pytest.raises(ConfigurationError, match="only predictions lack lengths"):
        inspect(folder / "gt.json", durations=folder / "store")
    with pytest.raises(ConfigurationError, match="a heads checkpoint; lengths come from"):
        inspect(folder / "found.json", durations=folder / "heads")


def test_a_folder_of_videos_is_looked_over_by_validate(tmp_path):
    make_video(tmp_path / "a.mp4", range(3))
    with pytest.raises(ConfigurationError, match="a folder of videos"):
        inspect(tmp_path)


# ---------------------------------------------------------------- the command


def test_every_kind_is_one_object_with_its_kind(folder):
    kinds = {"gt.json": "annotations", "found.json": "predictions", "heads": "heads", "film.mp4": "video"}
    for name, kind in kinds.items():
        (line,) = call("inspect", folder / name, "--json", "-q").stdout.splitlines()
        assert json.loads(line)["kind"] == kind


def test_long_lists_are_shortened_unless_asked_for_all(tmp_path):
    database = {
        f"v{n:02}": {"subset": "", "duration": 9.0, "annotations": [{"label": f"c{n:02}", "segment": [0, 1]}]}
        for n in range(25)
    }
    write_database(tmp_path / "gt.json", database)
    short, whole = call("inspect", tmp_path / "gt.json").stdout, call("inspect", tmp_path / "gt.json", "-v").stdout
    assert short.count("... and 5 more (--verbose shows all)") == 2
    assert "more" not in whole
    assert "c24" in whole
    assert "v24" not in short


def test_the_text_of_labels_tells_the_main_numbers(folder):
    text = call("inspect", folder / "gt.json").stdout
    assert text.startswith("annotations, activitynet: 3 videos, 4 segments, 2 classes, 1 scenes\n")
    assert "training: 2, testing: 1" in text
    assert "35.0% of the time" in text
    text = call("inspect", folder / "found.json").stdout
    assert text.startswith("predictions, activitynet: 3 videos, 4 segments, 2 classes\n")
    assert "50.0%" in text
    assert "unknown: no durations" in text


def test_a_store_is_told_by_its_content_whatever_its_name(tmp_path):
    write_parts(tmp_path / "parts", make_videos(2))
    next((tmp_path / "parts").iterdir()).rename(tmp_path / "store.bin")
    assert inspect(tmp_path / "store.bin")["num_videos"] == 2


def test_a_missing_file_is_an_input_error(tmp_path):
    done = call("inspect", tmp_path / "nowhere.json", code=4)
    assert "nowhere.json: cannot be reached (No such file or directory)" in done.stderr
