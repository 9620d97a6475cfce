import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from conftest import DATA
from factories_heads import Recorder
from factories_store import make_spec
from factories_workflows import (
    SIZE,
    make_database,
    perfect_results,
    write_database,
    write_predictions_file,
    write_store,
)

from tsmfeat.errors import (
    CheckpointError,
    ConfigurationError,
    InputError,
    OutputError,
    SpecMismatchError,
    StoreError,
)
from tsmfeat.files import save_tensors
from tsmfeat.formats.activitynet import read_annotations, read_predictions, write_predictions
from tsmfeat.fusion.fusing import fuse
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.heads.checkpoint import load_heads, save_heads
from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.options import HeadOptions
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.metrics.options import StatisticsOptions
from tsmfeat.priors.options import PriorOptions
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.fitting import fit_heads
from tsmfeat.workflows.score_files import write_scores
from tsmfeat.workflows.score_options import ScoreOptions
from tsmfeat.workflows.scoring import score

GOLDEN = DATA / "evaluation"
TESTING = ScoreOptions(subset="testing")
# The paper's ensemble: steps times trunks; each store has a spec of its own.
MEMBERS = {
    "a05": make_spec(SIZE, step_seconds=0.5, clip_seconds=0.5),
    "a10": make_spec(SIZE, step_seconds=1.0, clip_seconds=1.0),
    "b05": make_spec(SIZE, trunk="resnet50", step_seconds=0.5, clip_seconds=0.5),
    "b10": make_spec(SIZE, trunk="resnet50", step_seconds=1.0, clip_seconds=1.0),
}


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """Four stores and the heads fitted on each; b10's features are the noisiest."""
    folder = tmp_path_factory.mktemp("task")
    database = make_database()
    write_database(folder / "gt.json", database)
    for number, (name, spec) in enumerate(MEMBERS.items()):
        store = write_store(folder / name, database, spec, noise=1.0 + 0.4 * number, seed=number)
        options = FitOptions(HeadOptions(epochs=4, lr=0.05, batch_size=64, seed=number))
        fit_heads(store, folder / "gt.json", folder / f"{name}.safetensors", options)
    return folder


def heads(task, *names):
    return [task / f"{name}.safetensors" for name in names]


def same_segments(one, other):
    columns = [
        [
            (predictions.video_ids[v], predictions.vocabulary.names[c], start, end, value)
            for v, c, start, end, value in zip(
                *(getattr(predictions.segments, name).tolist() for name in ("video", "label", "start", "end", "score")),
                strict=True,
            )
        ]
        for predictions in (one, other)
    ]
    assert sorted(columns[0]) == sorted(columns[1])
    assert len(columns[0]) > 5


def test_heads_score_as_the_file_of_their_predictions(task, tmp_path):
    by_heads = score(heads(task, "a05"), task / "gt.json", task / "a05", TESTING)
    write_predictions(by_heads.predictions, tmp_path / "found.json")
    by_file = score(tmp_path / "found.json", task / "gt.json", options=TESTING)
    assert np.array_equal(by_file.evaluation.ap, by_heads.evaluation.ap)
    assert by_file.scenes == by_heads.scenes
    assert by_heads.evaluation.final_score > 0.3
    assert by_heads.scenes.num_videos == 4


def test_several_sources_are_fused_as_fuse_does_by_hand(task, tmp_path):
    paths = []
    for name in ("a05", "b05"):
        alone = score(heads(task, name), task / "gt.json", task / name, TESTING)
        paths.append(tmp_path / f"{name}.json")
        write_predictions(alone.predictions, paths[-1])
    options = replace(TESTING, weights=(3.0, 1.0), fusion=FusionOptions(fusion_tiou=0.3))
    together = score(paths, task / "gt.json", options=options)
    by_hand = fuse([read_predictions(path) for path in paths], [0.75, 0.25], FusionOptions(fusion_tiou=0.3))
    same_segments(together.predictions, by_hand)
    truth = read_annotations(task / "gt.json").select_subset("testing")
    assert np.array_equal(together.evaluation.ap, evaluate(by_hand, truth).ap)
    assert together.weights == (0.75, 0.25)
    assert together.sources == tuple(str(path) for path in paths)


def test_the_papers_ensemble_over_steps_and_trunks_is_one_call(task):
    # Stores in another order than the heads: each checkpoint finds its own by spec.
    report = score(heads(task, *MEMBERS), task / "gt.json", [task / name for name in reversed(MEMBERS)], TESTING)
    alone = [score(heads(task, name), task / "gt.json", task / name, TESTING) for name in MEMBERS]
    same_segments(report.predictions, fuse([member.predictions for member in alone]))
    assert report.weights == (0.25,) * 4
    assert report.evaluation.final_score > np.mean([member.evaluation.final_score for member in alone])


def test_heads_and_prediction_files_fuse_together(task, tmp_path):
    found = write_predictions_file(tmp_path / "found.json", perfect_results(make_database()))
    report = score([*heads(task, "a05"), found], task / "gt.json", task / "a05", TESTING)
    alone = score(heads(task, "a05"), task / "gt.json", task / "a05", TESTING)
    same_segments(report.predictions, fuse([alone.predictions, read_predictions(found)]))


def test_validation_weights_are_the_checkpoints_scores(task):
    report = score(
        heads(task, "a05", "b10"),
        task / "gt.json",
        [task / "a05", task / "b10"],
        replace(TESTING, weights="validation"),
    )
    scores = [load_heads(path).record["validation"]["final_score"] for path in heads(task, "a05", "b10")]
    assert report.weights == pytest.approx([value / sum(scores) for value in scores])
    assert len(set(scores)) == 2


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ((0.5,), "1 weights for 2 sources"),
        ((0.5, 0.2, 0.3), "3 weights for 2 sources"),
        ((0.5, -0.1), "each is >= 0"),
        ((0.0, 0.0), "their sum is positive"),
        ((float("nan"), 1.0), "each is >= 0"),
        ((float("inf"), 1.0), "their sum is positive"),
        ("equl", "weights 'equl' are unknown"),
    ],
)
def test_weights_that_do_not_fit_are_refused(task, weights, reason):
    with pytest.raises(ConfigurationError, match=reason):
        score(
            heads(task, "a05", "b05"), task / "gt.json", [task / "a05", task / "b05"], replace(TESTING, weights=weights)
        )


def test_a_prediction_file_has_no_validation_score(task, tmp_path):
    found = write_predictions_file(tmp_path / "found.json", perfect_results(make_database()))
    with pytest.raises(ConfigurationError, match=r"found\.json: holds no validation score") as caught:
        score([*heads(task, "a05"), found], task / "gt.json", task / "a05", replace(TESTING, weights="validation"))
    assert "--weights" in caught.value.hint


def test_validation_scores_of_zero_weigh_one_source_but_not_two(task, tmp_path):
    useless = [tmp_path / name for name in ("a05", "b05")]
    for path, (source, *_) in zip(useless, (heads(task, "a05"), heads(task, "b05")), strict=True):
        checkpoint = load_heads(source)
        save_heads(path, replace(checkpoint, record={**checkpoint.record, "validation": {"final_score": 0.0}}))
    options = replace(TESTING, weights="validation")
    assert score(useless[0], task / "gt.json", task / "a05", options).weights == (1.0,)
    with pytest.raises(ConfigurationError, match="all validation scores are 0") as caught:
        score(useless, task / "gt.json", [task / "a05", task / "b05"], options)
    assert caught.value.hint == "use --weights equal"


def test_no_matching_store_is_refused_naming_the_fields(task):
    with pytest.raises(SpecMismatchError) as caught:
        score(heads(task, "a05"), task / "gt.json", [task / "a10", task / "b05"], TESTING)
    message = caught.value.message
    assert caught.value.exit_code == 6
    assert "step_seconds" in message
    assert "trunk" in message
    assert "a10" in message
    assert "b05" in message


def test_two_matching_stores_are_refused_naming_both(task, tmp_path):
    again = write_store(tmp_path / "again", make_database(), MEMBERS["a05"])
    with pytest.raises(SpecMismatchError, match="2 stores have its spec") as caught:
        score(heads(task, "a05"), task / "gt.json", [task / "a05", again], TESTING)
    assert "again" in caught.value.message
    assert caught.value.exit_code == 6


def test_the_same_store_named_twice_is_one(task):
    report = score(heads(task, "a05"), task / "gt.json", [task / "a05", task / "a05"], TESTING)
    assert report.evaluation.final_score > 0


def test_a_folder_of_two_specs_gives_heads_the_store_of_theirs(task, tmp_path):
    (tmp_path / "both").mkdir()
    for name in ("a05", "b05"):
        for part in (task / name).iterdir():
            shutil.copy(part, tmp_path / "both" / f"{name}-{part.name}")
    found = score(heads(task, "a05"), task / "gt.json", tmp_path / "both", TESTING)
    assert (
        found.evaluation.ap.tolist()
        == score(heads(task, "a05"), task / "gt.json", task / "a05", TESTING).evaluation.ap.tolist()
    )


def test_heads_without_a_store_are_told_to_name_one(task):
    with pytest.raises(ConfigurationError) as caught:
        score(heads(task, "a05"), task / "gt.json", options=TESTING)
    assert "--features" in caught.value.hint


def test_a_store_among_the_sources_is_told_where_it_belongs(task):
    part = next((task / "a05").iterdir())
    with pytest.raises(InputError, match="a feature store") as caught:
        score([*heads(task, "a05"), part], task / "gt.json", options=TESTING)
    assert caught.value.hint == f"name stores with an option each: --features {part}"


def test_several_subsets_and_none_named_are_a_usage_error(task):
    with pytest.raises(ConfigurationError, match="3 subsets") as caught:
        score(heads(task, "a05"), task / "gt.json", task / "a05")
    assert caught.value.hint == "add --subset testing"


def test_a_mistyped_subset_or_protocol_is_refused_with_the_nearest(task):
    with pytest.raises(ConfigurationError) as caught:
        score(heads(task, "a05"), task / "gt.json", task / "a05", replace(TESTING, subset="testin"))
    assert caught.value.hint == "did you mean 'testing'?"
    with pytest.raises(ConfigurationError) as caught:
        score(heads(task, "a05"), task / "gt.json", task / "a05", replace(TESTING, protocol="activitnet"))
    assert caught.value.hint == "did you mean 'activitynet'?"


def test_no_source_and_several_without_fusion_are_refused_before_reading(task):
    with pytest.raises(ConfigurationError, match="no source"):
        score([], task / "nowhere.json")
    with pytest.raises(ConfigurationError, match="2 sources and --fusion none"):
        score(["x", "y"], task / "nowhere.json", options=ScoreOptions(fusion=FusionOptions(fusion="none")))


@pytest.mark.parametrize("missing", ["source", "annotations", "features"])
def test_a_missing_file_is_named(task, missing):
    names = {"source": task / "a05.safetensors", "annotations": task / "gt.json", "features": task / "a05"}
    names[missing] = task / "nowhere"
    with pytest.raises((InputError, StoreError), match="nowhere"):
        score(names["source"], names["annotations"], names["features"], TESTING)


def test_a_trunks_checkpoint_is_no_source(task, tmp_path):
    save_tensors(tmp_path / "trunk.safetensors", {"w": np.zeros(2, np.float32)}, {"kind": "trunk", "version": 1})
    with pytest.raises(CheckpointError, match="kind 'heads'"):
        score(tmp_path / "trunk.safetensors", task / "gt.json", task / "a05", TESTING)


def test_videos_without_features_are_warned_of_and_missed(task, tmp_path):
    database = make_database()
    write_store(tmp_path / "part", {k: v for k, v in database.items() if k != "video 19"}, MEMBERS["a05"], noise=1.0)
    progress = Recorder()
    report = score(heads(task, "a05"), task / "gt.json", tmp_path / "part", TESTING, progress)
    assert "1 of 4 videos have no features, such as 'video 19'" in progress.of("warn")[0][1]
    assert report.evaluation.num_annotations == sum(
        len(video["annotations"]) for video in database.values() if video["subset"] == "testing"
    )


def test_no_evaluated_video_with_features_is_refused(task, tmp_path):
    write_store(tmp_path / "other", {"video 00": make_database()["video 00"]}, MEMBERS["a05"])
    with pytest.raises(InputError, match="holds none of the 4 evaluated videos"):
        score(heads(task, "a05"), task / "gt.json", tmp_path / "other", TESTING)


def test_localization_options_reach_the_heads(task):
    options = replace(TESTING, localization=LocalizationOptions(min_duration=3.0))
    found = score(heads(task, "a05"), task / "gt.json", task / "a05", options).predictions.segments
    assert (found.end - found.start >= 3.0 - 1e-9).all()
    assert 0 < len(found) < len(score(heads(task, "a05"), task / "gt.json", task / "a05", TESTING).predictions.segments)


def test_thresholds_replace_the_protocols(task):
    report = score(heads(task, "a05"), task / "gt.json", task / "a05", replace(TESTING, tiou_thresholds=(0.1, 0.3)))
    assert report.evaluation.tiou_thresholds == (0.1, 0.3)
    assert report.evaluation.ap.shape == (3, 2)


def test_perfect_predictions_score_one(tmp_path):
    database = make_database()
    gt = write_database(tmp_path / "gt.json", database)
    scenes = {name: [{"label": video["scene"], "score": 0.9}] for name, video in database.items()}
    found = write_predictions_file(tmp_path / "found.json", perfect_results(database), scenes)
    report = score(found, gt, options=TESTING)
    assert report.evaluation.final_score == 1.0
    assert report.scenes.top1 == 1.0


@pytest.mark.parametrize("sources", [1, 2])
def test_predictions_without_any_segment_score_zero(tmp_path, sources):
    gt = write_database(tmp_path / "gt.json", make_database())
    empty = [write_predictions_file(tmp_path / f"{i}.json", {"video 19": []} if i else {}) for i in range(sources)]
    report = score(empty, gt, options=TESTING)
    assert report.evaluation.final_score == 0.0
    assert report.evaluation.num_predictions == 0
    assert report.scenes.top1 is None
    json.dumps(report.to_dict(), allow_nan=False)


def test_heads_that_call_everything_background_score_zero(task, tmp_path):
    checkpoint = load_heads(task / "a05.safetensors")
    bias = np.zeros(4, np.float32)
    bias[3] = 9.0
    silent = HeadParameters(np.zeros((4, SIZE), np.float32), bias)
    save_heads(tmp_path / "heads", replace(checkpoint, weights=silent, scene_vocabulary=Vocabulary(())))
    report = score(tmp_path / "heads", task / "gt.json", task / "a05", TESTING)
    assert report.evaluation.final_score == 0.0


def test_an_empty_annotation_file_is_refused(task, tmp_path):
    gt = write_database(tmp_path / "gt.json", {})
    with pytest.raises(InputError):
        score(heads(task, "a05"), gt, task / "a05")


ODD_ROWS = {"label": "run", "segment": [3.0, 3.0], "score": 0.5}, {"label": "run", "segment": [5.0, 4.0], "score": 0.5}


def test_dropped_rows_are_reported(tmp_path):
    database = make_database()
    database["video 19"]["annotations"] += [{"label": "run", "segment": [2.0, 2.0]}]
    results = perfect_results(database)
    results["video 18"] += ODD_ROWS
    gt = write_database(tmp_path / "gt.json", database)
    found = write_predictions_file(tmp_path / "found.json", results)
    progress = Recorder()
    report = score(found, gt, options=TESTING, progress=progress)
    # The zero-length row that stands in both files is dropped from both.
    assert report.to_dict()["num_dropped_annotations"] == 1
    assert report.to_dict()["num_dropped_predictions"] == 3
    assert [call[1].split(":")[0] for call in progress.of("warn")] == [
        "1 annotated segments were dropped",
        "3 predicted segments were dropped",
    ]
    assert report.evaluation.final_score == 1.0


def test_strict_lists_every_invalid_row(tmp_path):
    results = perfect_results(make_database())
    results["video 18"] += ODD_ROWS
    gt = write_database(tmp_path / "gt.json", make_database())
    found = write_predictions_file(tmp_path / "found.json", results)
    with pytest.raises(InputError) as caught:
        score(found, gt, options=replace(TESTING, strict=True))
    assert "results['video 18'][4]" in caught.value.message
    assert "results['video 18'][5]" in caught.value.message


def test_protocol_activitynet_is_given_the_invalid_rows(tmp_path):
    # In the official code a zero-length detection matches a zero-length truth of its class and video, wherever it is.
    database = {"a": {"subset": "x", "duration": 9.0, "annotations": [{"label": "run", "segment": [2.0, 2.0]}]}}
    gt = write_database(tmp_path / "gt.json", database)
    found = write_predictions_file(
        tmp_path / "found.json", {"a": [{"label": "run", "segment": [7.0, 7.0], "score": 0.5}]}
    )
    report = score(found, gt, options=ScoreOptions(protocol="activitynet"))
    assert report.evaluation.final_score == 1.0
    assert (report.evaluation.num_dropped_annotations, report.evaluation.num_dropped_predictions) == (0, 0)
    with pytest.raises(InputError, match="no segment"):
        score(found, gt)


def test_predictions_outside_the_evaluated_videos_are_warned_of(tmp_path):
    database = make_database()
    results = perfect_results(database) | perfect_results(database, "validation", score=0.95)
    gt = write_database(tmp_path / "gt.json", database)
    progress = Recorder()
    report = score(write_predictions_file(tmp_path / "f.json", results), gt, options=TESTING, progress=progress)
    assert (
        "16 of 32 predictions lie in 4 videos that are not evaluated, such as 'video 12'" in progress.of("warn")[0][1]
    )
    assert "4 of the videos are of another subset" in progress.of("warn")[0][1]
    assert report.evaluation.final_score < 1.0
    within, outside = write_predictions_file(tmp_path / "in.json", perfect_results(database)), str(tmp_path / "f.json")
    progress = Recorder()
    statistics = StatisticsOptions(bootstrap=2, compare=(outside,))
    score(within, gt, options=replace(TESTING, statistics=statistics), progress=progress)
    assert [text.split(": ")[0] for _, text in progress.of("warn") if "not evaluated" in text] == [outside]


def test_a_file_without_predictions_is_told(tmp_path):
    gt = write_database(tmp_path / "gt.json", make_database())
    progress = Recorder()
    report = score(write_predictions_file(tmp_path / "f.json", {}), gt, options=TESTING, progress=progress)
    assert report.evaluation.final_score == 0.0
    assert [text for _, text in progress.of("warn")] == ["nothing is predicted: every AP is 0"]


def test_options_without_a_say_are_told(tmp_path):
    gt = write_database(tmp_path / "gt.json", make_database())
    found = write_predictions_file(tmp_path / "found.json", perfect_results(make_database()))
    progress = Recorder()
    score(found, gt, options=TESTING, progress=progress)
    assert not [text for _, text in progress.of("note") if "no say" in text]
    options = replace(
        TESTING,
        localization=LocalizationOptions(threshold=0.3, class_thresholds=(("walk", 0.4),)),
        prior=PriorOptions(gamma=0.5, prior_subset="training"),
        fusion=FusionOptions(fusion_tiou=0.3),
        frame_step_seconds=0.5,
        weights="learned",
    )
    score(found, gt, options=options, progress=progress)
    said = "\n".join(text for _, text in progress.of("note"))
    for option in (
        "--threshold",
        "--class-threshold",
        "--gamma",
        "--frame-step",
        "--weights learned",
        "localisation",
        "--prior-subset",
        "--union and --missing",
    ):
        assert f"{option} has no say" in said or f"{option} have no say" in said
    progress = Recorder()
    useful = replace(options, localization=LocalizationOptions("threshold", 0.3), measures=("frames",))
    score(
        found,
        gt,
        options=replace(useful, weights="equal", prior=PriorOptions(), fusion=FusionOptions()),
        progress=progress,
    )
    assert [text for _, text in progress.of("note") if "no say" in text] == [
        "options of localisation have no say on prediction files: their segments are made already"
    ]


def test_ids_that_are_spelled_differently_are_shown_beside_each_other(tmp_path):
    results = {f"v_{name}": found for name, found in perfect_results(make_database()).items()}
    gt = write_database(tmp_path / "gt.json", make_database())
    found = write_predictions_file(tmp_path / "found.json", results)
    progress = Recorder()
    assert score(found, gt, options=TESTING, progress=progress).evaluation.final_score == 0.0
    assert (
        "such as 'v_video 16': each counts as a false positive; the evaluated videos are called 'video 16'"
        in (progress.of("warn")[0][1])
    )


def test_unknown_classes_are_ignored_with_a_warning_or_refused_when_strict(tmp_path):
    results = perfect_results(make_database())
    results["video 16"].append({"label": "sing", "segment": [0.0, 9.0], "score": 1.0})
    gt = write_database(tmp_path / "gt.json", make_database())
    found = write_predictions_file(tmp_path / "found.json", results)
    progress = Recorder()
    report = score(found, gt, options=TESTING, progress=progress)
    assert report.evaluation.final_score == 1.0
    assert report.evaluation.num_ignored == 1
    assert "1 of its 4 classes are not in the annotations ('sing')" in progress.of("warn")[0][1]
    with pytest.raises(InputError, match="'sing'"):
        score(found, gt, options=replace(TESTING, strict=True))


def test_heads_of_other_classes_are_refused_naming_them(task, tmp_path):
    database = make_database()
    for video in database.values():
        for entry in video["annotations"]:
            entry["label"] = entry["label"].upper()
    gt = write_database(tmp_path / "gt.json", database)
    with pytest.raises(SpecMismatchError, match="3 of its 3 classes are not in the annotations") as caught:
        score(heads(task, "a05"), gt, task / "a05", TESTING)
    assert "RUN" in caught.value.hint


def test_the_golden_example_equals_the_official_values():
    golden = json.loads((GOLDEN / "expected_binego_like.json").read_text())["protocols"]["opentad"]
    options = ScoreOptions(protocol="activitynet", tiou_thresholds=(0.5, 0.75, 0.95), subset="test")
    report = score(GOLDEN / "pred_binego_like.json", GOLDEN / "gt_binego_like.json", options=options)
    expected = dict(zip(golden["classes"], golden["ap"], strict=True))
    assert set(report.evaluation.classes) == set(expected)
    assert np.abs(report.evaluation.ap - [expected[name] for name in report.evaluation.classes]).max() <= 1e-12
    assert np.abs(report.evaluation.map - golden["mAP"]).max() <= 1e-12
    assert abs(report.evaluation.average_map - golden["average_mAP"]) <= 1e-12


def test_the_files_of_a_score_say_what_the_report_says(task, tmp_path):
    report = score(heads(task, "a05"), task / "gt.json", task / "a05", TESTING)
    write_scores(report, tmp_path / "out" / "here")
    folder = tmp_path / "out" / "here"
    assert sorted(path.name for path in folder.iterdir()) == ["per_class.csv", "predictions.json", "scores.json"]
    assert json.loads((folder / "scores.json").read_text()) == json.loads(json.dumps(report.to_dict()))
    same_segments(read_predictions(folder / "predictions.json"), report.predictions)
    rows = list(csv.reader((folder / "per_class.csv").read_text().splitlines()))
    assert rows[0] == ["class", "ap@0.5", "ap@0.75", "ap@0.95"]
    assert [row[0] for row in rows[1:]] == list(report.evaluation.classes)
    assert np.array_equal(np.array([row[1:] for row in rows[1:]], float), report.evaluation.ap)
    write_scores(report, folder)  # again, over the old ones


def test_a_folder_that_cannot_be_made_is_an_output_error(task, tmp_path):
    (tmp_path / "file").write_text("")
    report = score(heads(task, "a05"), task / "gt.json", task / "a05", TESTING)
    with pytest.raises(OutputError):
        write_scores(report, tmp_path / "file" / "folder")


def test_the_resolved_options_stand_in_the_json(task):
    options = replace(TESTING, localization=LocalizationOptions(max_gap=1))
    found = score(heads(task, "a05"), task / "gt.json", task / "a05", options).to_dict()["options"]
    assert found["localization"]["max_gap"] == 1
    assert found["fusion"]["fusion_tiou"] == 0.5
    assert found["subset"] == "testing"
