"""The grid of an ablation: who saw which video, what equals what, and what its numbers are."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from factories_heads import Recorder
from factories_store import make_spec
from factories_workflows import SIZE, make_database, write_database, write_store

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.formats.reading import read_annotations
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.training import train_head
from tsmfeat.localization.localizing import localize
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.metrics.bootstrap import bootstrap_intervals
from tsmfeat.metrics.matching import match_predictions
from tsmfeat.metrics.options import StatisticsOptions
from tsmfeat.metrics.protocols import PAPER
from tsmfeat.metrics.resampling import Population
from tsmfeat.metrics.scenes import scene_accuracy
from tsmfeat.store.reader import open_features
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.progress import Silence
from tsmfeat.workflows.ablation import ablate, name_stores
from tsmfeat.workflows.ablation_ensembles import fuse_members
from tsmfeat.workflows.ablation_files import describe_differences, describe_in_markdown, require_ablation_output
from tsmfeat.workflows.ablation_folds import predict_out_of_fold
from tsmfeat.workflows.ablation_options import AblateOptions
from tsmfeat.workflows.ablation_scores import compare_cells, draw_resamples, judge_cell
from tsmfeat.workflows.fit_data import make_training_rows
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.fitting import fit_heads
from tsmfeat.workflows.folds import assign_folds, deal_videos, number_groups
from tsmfeat.workflows.grading import Judge
from tsmfeat.workflows.inference import gather_features, score_intervals, select_gathered
from tsmfeat.workflows.learning import learn_weights
from tsmfeat.workflows.score_options import SearchOptions

HEADS = HeadOptions(epochs=4, lr=0.05, batch_size=64, seed=3)
FAST = AblateOptions(HEADS, num_folds=3, num_seeds=2, subset="training,validation", num_resamples=50)
SILENCE = Silence()


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("task")
    database = make_database({"training": 10, "validation": 2, "testing": 3})
    write_database(folder / "gt.json", database)
    for name, step, noise in (("half", 0.5, 1.5), ("one", 1.0, 1.5)):
        spec = make_spec(SIZE, step_seconds=step, clip_seconds=step)
        write_store(folder / name, database, spec, noise, seed=int(2 * step))
    return folder


@pytest.fixture(scope="module")
def material(task):
    """Features, annotations and folds of the videos that are ablated on."""
    truth = read_annotations(task / "gt.json")
    truth = truth.select_videos([k for k, subset in enumerate(truth.subset) if subset != "testing"])
    with open_features(task / "half") as store:
        features = gather_features(store, truth.video_ids)
        return features, truth, store.spec, assign_folds(truth.video_ids, 3)


@pytest.fixture(scope="module")
def report(task):
    progress = Recorder()
    return ablate([task / "half", task / "one"], task / "gt.json", task / "out", FAST, progress)


def rows_of(found: Predictions, names):
    """Return the segments of some videos, by video and time."""
    segments = found.segments
    rows = zip(*(column.tolist() for column in (segments.video, segments.label, segments.start, segments.end,
                                                segments.score)), strict=True)  # fmt: skip
    return sorted((found.video_ids[video], *rest) for video, *rest in rows if found.video_ids[video] in names)


def test_every_video_is_predicted_by_heads_that_did_not_see_it(material):
    features, truth, spec, fold_of = material
    (found,) = predict_out_of_fold(features, truth, spec, fold_of, [HEADS], SILENCE)
    assert found.video_ids == truth.video_ids
    for fold in range(3):
        own, others = (
            [k for k, name in enumerate(truth.video_ids) if (fold_of[name] == fold) is x] for x in (True, False)
        )
        seen = truth.select_videos(others)
        data = make_training_rows(seen, select_gathered(features, others), 0.5)
        weights = train_head(data, HEADS, 8).weights
        part = score_intervals(weights, select_gathered(features, own), truth.vocabulary, truth.scene_vocabulary)
        names = {truth.video_ids[k] for k in own}
        mine, naive = rows_of(found, names), rows_of(localize(part), names)
        assert [row[:-1] for row in mine] == [row[:-1] for row in naive]
        assert [row[-1] for row in mine] == pytest.approx([row[-1] for row in naive], abs=1e-5)
    assert len(found.segments) > 10


def test_what_is_annotated_in_a_video_does_not_reach_its_own_predictions(material):
    features, truth, spec, fold_of = material
    own = {name for name in truth.video_ids if fold_of[name] == 1}
    is_own = np.isin(truth.segments.video, [truth.video_ids.index(name) for name in own])
    changed = replace(truth.segments, label=np.where(is_own, (truth.segments.label + 1) % 3, truth.segments.label))
    (one,) = predict_out_of_fold(features, truth, spec, fold_of, [HEADS], SILENCE)
    (other,) = predict_out_of_fold(features, replace(truth, segments=changed), spec, fold_of, [HEADS], SILENCE)
    assert rows_of(one, own) == rows_of(other, own)
    everyone = set(truth.video_ids)
    assert rows_of(one, everyone - own) != rows_of(other, everyone - own)


def test_single_and_multi_are_the_same_bits_for_linear_heads_and_not_for_a_shared_layer(material):
    features, truth, spec, fold_of = material
    for head, same in (("linear", True), ("mlp", False)):
        multi = replace(HEADS, head=head, hidden_size=8)
        runs = [replace(multi, tasks=("action",)), multi]
        one, other = predict_out_of_fold(features, truth, spec, fold_of, runs, SILENCE)
        assert (rows_of(one, truth.video_ids) == rows_of(other, truth.video_ids)) is same
        assert one.scene_scores.size == 0 or np.isnan(one.scene_scores).all()
        assert scene_accuracy(other, truth).top1 > 0.5


def test_a_cell_is_what_fit_heads_says_of_the_same_folds(task, tmp_path):
    options = FitOptions(HEADS, num_folds=3, num_seeds=2, subset="training")
    fitted = fit_heads(task / "one", task / "gt.json", tmp_path / "heads", options)
    found = ablate(task / "one", task / "gt.json", None, replace(FAST, subset="training"))
    assert found.cells[1].final_scores == pytest.approx(fitted.folds["seeds"], abs=1e-9)


def test_videos_of_one_group_share_a_fold(task, tmp_path):
    names = [f"video {number:02}" for number in range(12)]
    lines = ["video_id,take", *(f"{name},{number % 4}" for number, name in enumerate(names))]
    (tmp_path / "takes.csv").write_text("\n".join(lines))
    folds = deal_videos(names, task / "gt.json", 4, f"take@{tmp_path / 'takes.csv'}")
    assert all(folds[name] == folds[names[number % 4]] for number, name in enumerate(names))
    assert set(folds.values()) == {0, 1, 2, 3}
    grouped = replace(FAST, num_seeds=1, num_folds=2, group=f"take@{tmp_path / 'takes.csv'}")
    ungrouped = replace(grouped, group="")
    one, other = (ablate(task / "half", task / "gt.json", None, options) for options in (grouped, ungrouped))
    assert one.cells[1].final_score != other.cells[1].final_score


def test_videos_of_one_group_are_drawn_together(task, material, tmp_path):
    """Two videos of one take are no two witnesses."""
    features, truth, spec, _ = material
    table = tmp_path / "takes.csv"
    table.write_text("video_id,take\n" + "".join(f"{name},{k % 4}\n" for k, name in enumerate(truth.video_ids[:-1])))
    group, names = f"take@{table}", truth.video_ids
    unit = number_groups(names, task / "gt.json", group)
    assert unit.tolist() == [0, 1, 2, 3] * 2 + [0, 1, 2, 4]  # the last has no take
    assert number_groups(names, task / "gt.json", "").tolist() == list(range(12))
    counts = draw_resamples(Population(truth, unit), 50, HEADS.seed)
    assert (counts[:, 0] == counts[:, 4]).all()
    assert (counts[:, 3] != counts[:, 11]).any()
    fold_of = deal_videos(names, task / "gt.json", 3, group)
    found = predict_out_of_fold(features, truth, spec, fold_of, [HEADS], SILENCE)
    cell = judge_cell(found, truth, counts, ["half"], "multi", "")
    same = ablate(task / "half", task / "gt.json", None, replace(FAST, num_seeds=1, group=group)).cells[1]
    assert same.samples == pytest.approx(cell.samples, abs=1e-12)


def test_a_cell_of_one_seed_is_what_evaluation_and_bootstrap_say(material):
    features, truth, spec, fold_of = material
    found = predict_out_of_fold(features, truth, spec, fold_of, [HEADS], SILENCE)
    cell = judge_cell(found, truth, draw_resamples(Population.of(truth), 200, 7), ["half"], "multi", "")
    evaluation = evaluate(found[0], truth)
    assert cell.final_score == pytest.approx(evaluation.final_score, abs=1e-12)
    assert cell.map == pytest.approx(evaluation.map, abs=1e-12)
    assert cell.final_score_sd is None
    matching = match_predictions(found[0], truth, PAPER)
    known = bootstrap_intervals(matching, Population.of(truth), StatisticsOptions(bootstrap=200, seed=7), PAPER)
    assert cell.interval == pytest.approx(known.final_score, abs=1e-12)
    assert cell.scene_accuracy == scene_accuracy(found[0], truth).top1


def test_a_cell_of_two_seeds_has_their_mean_and_deviation(material):
    features, truth, spec, fold_of = material
    runs = [replace(HEADS, seed=seed, dropout=0.9) for seed in (0, 1)]
    found = predict_out_of_fold(features, truth, spec, fold_of, runs, SILENCE)
    counts = draw_resamples(Population.of(truth), 60, 0)
    both = judge_cell(found, truth, counts, ["half"], "multi", "")
    one, other = (judge_cell([each], truth, counts, ["half"], "multi", "") for each in found)
    assert both.final_scores == (one.final_score, other.final_score)
    assert both.final_score == pytest.approx((one.final_score + other.final_score) / 2)
    assert both.final_score_sd == pytest.approx(abs(one.final_score - other.final_score) / 2**0.5)
    assert both.samples == pytest.approx((one.samples + other.samples) / 2)
    difference = compare_cells(one, other)
    assert difference.difference == pytest.approx(one.final_score - other.final_score)
    low, high = np.quantile(one.samples - other.samples, [0.025, 0.975])
    assert difference.interval == pytest.approx((low, high))
    assert not compare_cells(one, one).is_distinguishable


def only_in(found: Predictions, names):
    """Return predictions with the segments of some videos alone."""
    wanted = [found.video_ids.index(name) for name in names]
    return replace(found, segments=found.segments.take(np.isin(found.segments.video, wanted)))


@pytest.mark.golden
def test_weights_by_score_are_chosen_without_the_fold_they_are_used_on(material):
    _, truth, _, fold_of = material
    perfect = Predictions(truth.video_ids, truth.vocabulary, truth.segments)
    own = [name for name in truth.video_ids if fold_of[name] == 0]
    others = [name for name in truth.video_ids if fold_of[name] != 0]
    # The first knows fold 0 alone: without that fold nothing speaks for it.
    half = replace(perfect, segments=replace(perfect.segments, end=perfect.segments.end - 0.25))
    found = fuse_members([only_in(perfect, own), half], truth, fold_of, FusionOptions(), 0)["by score"]
    assert rows_of(found.predictions, own) == rows_of(half, own)
    scores = [evaluate(member, truth).final_score for member in (only_in(perfect, own), half)]
    assert found.weights == pytest.approx(np.array(scores) / sum(scores))
    wide = replace(perfect, segments=replace(perfect.segments, end=perfect.segments.end + 0.75))
    learned = fuse_members([perfect, wide], truth, fold_of, FusionOptions(), 0)["learned"]
    known = learn_weights([perfect, wide], truth, FusionOptions(), Judge("paper"), SearchOptions(3, 0), fold_of)
    assert learned.fold_gain == known.mean_fold_gain > 0
    assert learned.weights == known.weights
    nothing = [only_in(perfect, ()), only_in(perfect, ())]
    assert fuse_members(nothing, truth, fold_of, FusionOptions(), 0)["by score"].weights == (0.5, 0.5)
    assert len(others) > len(own)


@pytest.mark.golden
def test_the_grid_has_single_before_multi_and_every_ensemble(report):
    assert [(cell.features, cell.tasks, cell.equal_to) for cell in report.cells] == [
        (("resnet18 t0.5",), "single", "multi"),
        (("resnet18 t0.5",), "multi", ""),
        (("resnet18 t1",), "single", "multi"),
        (("resnet18 t1",), "multi", ""),
    ]
    assert [cell.weighting for cell in report.ensembles] == ["equal", "by score", "learned"]
    assert all(sum(cell.weights) == pytest.approx(1) for cell in report.ensembles)
    assert report.cells[0].final_scores == report.cells[1].final_scores
    assert [len(cell.final_scores) for cell in report.cells] == [2] * 4
    assert (report.num_videos, report.num_segments, report.num_actions, report.num_scenes) == (12, 48, 3, 2)
    best = report.best_cell
    assert best.final_score == max(cell.final_score for cell in report.cells)
    assert best.tasks == "multi"  # what was fitted
    assert [(each.one, each.other) for each in report.differences] == [
        (ensemble.name, best.name) for ensemble in report.ensembles
    ]


@pytest.mark.golden
def test_the_files_say_what_the_report_says(report, task):
    found = json.loads((task / "out" / "ablation.json").read_text())
    assert found == json.loads(json.dumps(report.to_dict()))
    with (task / "out" / "ablation.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    cells = [*report.cells, *report.ensembles]
    assert [float(row["final_score"]) for row in rows] == [cell.final_score for cell in cells]
    assert [row["equal_to"] for row in rows] == [cell.equal_to for cell in cells]
    assert [float(row["map@0.75"]) for row in rows] == [cell.map[1] for cell in cells]
    text = (task / "out" / "ablation.md").read_text()
    assert text == describe_in_markdown(report)
    assert text.count("\n| ") == 1 + len(cells)
    assert "equal by construction" in text
    assert "do not compare" in text  # the paper's numbers
    assert len(describe_differences(report)) == 1 + 1 + 3
    assert [cell.fold_gain is None for cell in report.ensembles] == [True, True, False]


def test_a_shared_layer_is_compared_with_one_task(task):
    options = replace(FAST, heads=replace(HEADS, head="mlp", hidden_size=8), num_seeds=1)
    found = ablate(task / "half", task / "gt.json", None, options)
    single, multi = found.cells
    assert (single.equal_to, multi.equal_to, found.ensembles) == ("", "", ())
    (difference,) = found.differences
    assert (difference.one, difference.other) == (multi.name, single.name)
    assert difference.difference == pytest.approx(multi.final_score - single.final_score)
    assert "favours it" not in " ".join(describe_differences(found))


@pytest.mark.golden
def test_a_folder_of_several_kinds_is_several_stores(task):
    options = replace(FAST, num_seeds=1)
    for name in ("half", "one"):
        for part in (task / name).iterdir():
            (task / "both").mkdir(exist_ok=True)
            (task / "both" / f"{name}-{part.name}").symlink_to(part)
    apart, both = (
        ablate(paths, task / "gt.json", None, options) for paths in ([task / "half", task / "one"], task / "both")
    )
    assert [cell.to_dict() for cell in both.cells] == [cell.to_dict() for cell in apart.cells]


def test_without_scenes_there_is_only_one_task(task, tmp_path):
    database = make_database({"training": 10, "validation": 2, "testing": 3})
    for video in database.values():
        del video["scene"]
    found = ablate(task / "half", write_database(tmp_path / "gt.json", database), None, replace(FAST, num_seeds=1))
    assert [(cell.tasks, cell.equal_to, cell.scene_accuracy) for cell in found.cells] == [("single", "", None)]


@pytest.mark.golden
def test_all_cells_are_judged_on_the_same_videos(task, tmp_path):
    database = make_database({"training": 10, "validation": 2, "testing": 3})
    del database["video 03"]
    write_store(tmp_path / "few", database, make_spec(SIZE, step_seconds=1.0, clip_seconds=1.0))
    told = Recorder()
    options = replace(FAST, num_seeds=1)
    found = ablate([task / "half", tmp_path / "few"], task / "gt.json", None, options, told)
    assert found.num_videos == 11
    assert any("1 of 12 annotated videos are not in every store" in text for _, text in told.of("warn"))


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"subset": ""}, "hold 3 subsets", "--subset training,validation"),
        ({"subset": "trainin"}, "subset 'trainin' does not occur", "did you mean 'training'?"),
        ({"num_folds": 99}, "99 folds of 12 annotated videos", "use --folds"),
    ],
)
def test_what_cannot_be_dealt_into_folds_is_refused(task, options, message, hint):
    with pytest.raises(ConfigurationError, match=message) as caught:
        ablate(task / "half", task / "gt.json", None, replace(FAST, **options))
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_folds": 1}, "1 folds"),
        ({"num_seeds": 0}, "0 seeds"),
        ({"heads": HeadOptions(patience=3)}, "patience"),
        ({"num_resamples": 0}, "resamples"),
        ({"fusion": FusionOptions("none")}, "makes no ensemble"),
    ],
)
def test_options_that_make_no_grid_are_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        AblateOptions(**options)


def test_stores_that_make_no_grid_are_refused(task, tmp_path):
    with pytest.raises(ConfigurationError, match="no features"):
        ablate([], task / "gt.json", None, FAST)
    with pytest.raises(ConfigurationError, match=r"half\S* and .*half\S* hold features of one spec"):
        ablate([task / "half", task / "half"], task / "gt.json", None, FAST)
    strange = {f"strange {name}": video for name, video in make_database({"training": 3}).items()}
    with pytest.raises(InputError, match="none of the 3 annotated videos is in every store"):
        ablate(task / "half", write_database(tmp_path / "s.json", strange), None, replace(FAST, subset=""))
    empty = {name: {**video, "annotations": []} for name, video in make_database({"training": 4}).items()}
    with pytest.raises(InputError, match="no annotated segment"):
        ablate(task / "half", write_database(tmp_path / "e.json", empty), None, replace(FAST, subset=""))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "ablation.json").write_text((task / "gt.json").read_text())
    with pytest.raises(ConfigurationError, match="is to be read and written"):
        ablate(task / "half", tmp_path / "out" / "ablation.json", tmp_path / "out", FAST)
    with pytest.raises(ConfigurationError, match="is a file"):
        ablate(task / "half", task / "gt.json", task / "gt.json", FAST)


class FakeStore:
    def __init__(self, **changes):
        self.spec = make_spec(**changes)


def test_files_that_no_ablation_wrote_are_not_replaced(tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()
    require_ablation_output(folder, [])
    (folder / "ablation.md").write_text("of somebody")
    with pytest.raises(ConfigurationError, match=r"ablation\.md: no ablation wrote it"):
        require_ablation_output(folder, [])
    (folder / "ablation.json").write_text("[]")
    with pytest.raises(ConfigurationError, match="no ablation wrote it"):
        require_ablation_output(folder, [])
    (folder / "ablation.json").write_text('{"cells": [], "tiou_thresholds": []}')
    require_ablation_output(folder, [])


def test_features_are_called_by_what_tells_them_apart():
    def names(*changes):
        stores = [FakeStore(**each) for each in changes]
        return list(name_stores(stores))

    assert names({}, {"step_seconds": 1.0}, {"trunk": "resnet50"}) == ["resnet18 t0.5", "resnet18 t1", "resnet50 t0.5"]
    assert names({}, {"shift": False}, {"step_seconds": 1.0}) == [
        "resnet18 t0.5 shift", "resnet18 t0.5 no-shift", "resnet18 t1"
    ]  # fmt: skip
    assert names({"view": "front"}, {"view": "panoramic"}) == ["resnet18 t0.5 front", "resnet18 t0.5 panoramic"]
    assert names({}, {"checkpoint_digest": "ab" * 32}) == ["resnet18 t0.5 #000000", "resnet18 t0.5 #ababab"]
    assert names({}, {"num_frames": 4}, {"num_frames": 4, "clip_seconds": 2.0}) == [
        "resnet18 t0.5 T8", "resnet18 t0.5 T4 clip0.5", "resnet18 t0.5 T4 clip2"
    ]  # fmt: skip
    assert names({}, {"resize_filter": "reader"}) == ["resnet18 t0.5 #1", "resnet18 t0.5 #2"]
