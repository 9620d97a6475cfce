"""Tuning against plain loops over all settings, and what it must and must not find."""

import math
from dataclasses import replace

import numpy as np
import pytest
from factories_streams import read_stream
from factories_tuning import annotate, annotate_pieces, make_task, score_intervals, write_task
from naive_metrics import naive_evaluation
from naive_tuning import naive_folds, naive_tuning

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.formats.activitynet import write_annotations
from tsmfeat.fusion.fusing import fuse
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.localization.localizing import localize
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.workflows.splits import select_videos
from tsmfeat.workflows.tune_options import TuneOptions
from tsmfeat.workflows.tuning import tune
from tsmfeat.workflows.tuning_bench import grade_folds, make_exam
from tsmfeat.workflows.tuning_gain import measure_gain
from tsmfeat.workflows.tuning_settings import value_text

QUICK = TuneOptions(num_folds=3, num_resamples=20)
THRESHOLDS = (0.5, 0.75, 0.95)


def rows_of(predictions):
    found = predictions.segments
    names, actions = predictions.video_ids, predictions.vocabulary.names
    columns = (found.video, found.label, found.start, found.end, found.score)
    return [
        (names[v], actions[k], start, end, score)
        for v, k, start, end, score in zip(*(column.tolist() for column in columns), strict=True)
    ]


def truths_of(truth):
    return [row[:4] for row in rows_of(truth)]


def naive_final(rows, truths):
    found = naive_evaluation(rows, truths, THRESHOLDS, undefined_matches=False)
    return sum(sum(values) / len(values) for values in found.values()) / len(found)


def search_text(space):
    return ";".join(f"{name}={','.join(map(value_text, values))}" for name, values in space.items())


def require_same(report, expected, space):
    assert report.default_score == pytest.approx(expected["default"], abs=1e-12)
    assert report.optimistic_score == pytest.approx(expected["optimistic"], abs=1e-12)
    assert report.pooled_score == pytest.approx(expected["pooled"], abs=1e-12)
    default, tuned = zip(*expected["of_held_out"], strict=True)
    assert report.held_out.default_of_folds == pytest.approx(default, abs=1e-12)
    assert report.held_out.tuned_of_folds == pytest.approx(tuned, abs=1e-12)
    assert report.honest_gain == pytest.approx(sum(tuned) / len(tuned) - sum(default) / len(default), abs=1e-12)
    assert {each.name: each.chosen for each in report.searched} == expected["chosen"]
    for fold, chosen in enumerate(expected["of_folds"]):
        assert {each.name: each.of_folds[fold] for each in report.searched} == chosen
    for each in report.searched:
        for value, score in each.best_scores:
            assert score == pytest.approx(expected["profile"][each.name, value], abs=1e-12)
    assert report.num_settings == math.prod(map(len, space.values()))
    assert report.is_exhaustive


# --- the witness ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_one_model_is_tuned_as_plain_loops_do_it(tmp_path, seed):
    labels = make_task(7, 24, seed)
    scores = score_intervals(labels, 1.2, seed)
    if seed > 1:  # equal scores abound: the order of the rows decides
        scores = replace(scores, scores=np.round(scores.scores, 1))
    gt, paths = write_task(tmp_path, labels, scores)
    space = {"smooth": ("none", "mean:3", "mean:5"), "max-gap": (0, 2), "min-duration": (0.0, 1.5)}

    def predict(setting):
        options = {name.replace("-", "_"): value for name, value in setting.items()}
        return rows_of(localize(scores, LocalizationOptions(**options)))

    truth = annotate(labels)
    expected = naive_tuning(space, predict, naive_final, truths_of(truth), truth.video_ids, 3)
    require_same(tune(paths, gt, options=replace(QUICK, search=search_text(space))), expected, space)


@pytest.mark.parametrize("seed", range(3))
def test_two_models_are_tuned_as_plain_loops_do_it(tmp_path, seed):
    labels = make_task(6, 20, seed)
    models = [score_intervals(labels, noise, seed + number) for number, noise in enumerate((0.8, 1.5))]
    gt, paths = write_task(tmp_path, labels, *models)
    space = {"smooth": ("none", "mean:3"), "fusion-tiou": (0.5, 0.3, 0.8), "weights": ((), (0.7, 0.3), (0.0, 1.0))}

    def predict(setting):
        local = [localize(scores, LocalizationOptions(smooth=setting["smooth"])) for scores in models]
        weights = setting["weights"] or (0.5, 0.5)
        return rows_of(fuse(local, weights, FusionOptions(fusion_tiou=setting["fusion-tiou"])))

    truth = annotate(labels)
    expected = naive_tuning(space, predict, naive_final, truths_of(truth), truth.video_ids, 3)
    require_same(tune(paths, gt, options=replace(QUICK, search=search_text(space))), expected, space)


def test_folds_are_graded_as_if_their_videos_were_not_there(tmp_path):
    labels = make_task(8, 20)
    every = localize(score_intervals(labels, 1.0))
    # Two videos are predicted but not annotated: they belong to folds as well.
    known = select_videos(annotate(labels), every.video_ids[:6])
    exam = make_exam(known, [every], 3, "paper", (0.3, 0.6))
    folds = naive_folds(every.video_ids[:6], 3) | naive_folds(every.video_ids[6:], 3)
    assert dict(zip(exam.truth.video_ids, exam.fold.tolist(), strict=True)) == folds
    expected = [evaluate(every, known, "paper", (0.3, 0.6)).final_score]
    for fold in range(3):
        kept = np.array([folds[name] != fold for name in every.video_ids])[every.segments.video]
        others = select_videos(known, [name for name in known.video_ids if folds[name] != fold])
        found = replace(every, segments=every.segments.take(kept))
        expected.append(evaluate(found, others, "paper", (0.3, 0.6)).final_score)
    assert grade_folds(every, exam) == pytest.approx(expected, abs=1e-12)
    assert len(set(expected)) == 4


# --- what it must find, and what it must not --------------------------------------------------------------------------


def test_smoothing_wins_where_scores_flicker_and_holds_on_held_out_videos(tmp_path):
    labels = make_task(20, 60)
    gt, paths = write_task(tmp_path, labels, score_intervals(labels, 0.1, spikes=0.25))
    report = tune(paths, gt, tmp_path / "tuned.toml", options=replace(QUICK, num_resamples=100, budget=60))
    assert report.setting.localization.smooth != "none"
    assert report.honest_gain > 0.1
    assert report.held_out.is_distinguishable
    assert report.is_kept
    assert not report.is_exhaustive


def test_noise_gains_on_the_videos_that_chose_and_nowhere_else(tmp_path):
    labels = make_task(12, 40)
    gains = []
    for seed in range(4):
        noise = score_intervals(make_task(12, 40, 99 + seed), 1.0, seed)  # of other labels than the truth
        gt, paths = write_task(tmp_path, labels, noise)
        report = tune(paths, gt, options=replace(QUICK, seed=seed, budget=80))
        assert report.optimistic_score >= report.default_score
        gains.append((report.optimistic_score - report.default_score, report.honest_gain))
    optimistic, honest = np.mean(gains, axis=0)
    assert optimistic > 0.005
    assert honest < optimistic / 2


@pytest.mark.golden
def test_weights_of_equally_good_models_gain_nothing_on_held_out_videos(tmp_path):
    gains, claims = [], 0
    for seed in range(15):
        labels = make_task(20, 40, seed)
        models = [score_intervals(labels, 1.3, 1000 + 2 * seed + number) for number in range(2)]
        gt, paths = write_task(tmp_path, labels, *models)
        search = "weights=equal,0.45/0.55,0.55/0.45,0.4/0.6,0.6/0.4"
        report = tune(paths, gt, options=TuneOptions(search, num_resamples=200))
        gains.append((report.optimistic_score - report.default_score, report.honest_gain))
        claims += report.honest_gain > 0 and report.held_out.is_distinguishable
    optimistic, honest = np.mean(gains, axis=0)
    assert optimistic > 0.003
    assert abs(honest) < 0.004 + np.std(gains, axis=0)[1] / 15**0.5
    assert claims <= 1


def test_where_nothing_is_gained_the_defaults_are_written_unless_forced(tmp_path):
    labels = make_task(8, 40)
    gt, paths = write_task(tmp_path, labels, score_intervals(labels, 0.01))  # perfect already
    search = replace(QUICK, search="smooth=none,mean:9")
    report = tune(paths, gt, tmp_path / "a.toml", options=search)
    assert report.honest_gain == 0
    assert not report.is_kept
    assert 'smooth = "none"' in (tmp_path / "a.toml").read_text()
    assert "no gain that would hold" in (tmp_path / "a.toml").read_text()
    assert tune(paths, gt, tmp_path / "a.toml", options=replace(search, force=True)).is_kept


def test_the_choice_of_a_fold_knows_nothing_of_its_videos(tmp_path):
    labels = make_task(9, 30)
    scores = score_intervals(labels, 1.5, seed=3)
    options = replace(QUICK, budget=25, seed=1)
    gt, paths = write_task(tmp_path, labels, scores)
    first = tune(paths, gt, options=options)
    folds = naive_folds(scores.video_ids, 3)
    for fold in range(3):
        other = make_task(9, 30, seed=50)
        mixed = [other[k] if folds[name] == fold else labels[k] for k, name in enumerate(scores.video_ids)]
        write_annotations(annotate(mixed), tmp_path / "mixed.json")
        again = tune(paths, tmp_path / "mixed.json", options=options)
        assert [each.of_folds[fold] for each in again.searched] == [each.of_folds[fold] for each in first.searched]
        assert again.optimistic_score != first.optimistic_score


def test_equal_seeds_find_the_same(tmp_path):
    labels = make_task(6, 30)
    gt, paths = write_task(tmp_path, labels, score_intervals(labels, 1.5))
    found = [tune(paths, gt, options=replace(QUICK, budget=40)) for _ in range(2)]
    assert found[0].setting == found[1].setting
    assert found[0].searched == found[1].searched
    assert found[0].held_out == found[1].held_out


def test_the_time_given_ends_the_search(tmp_path):
    labels = make_task(6, 30)
    gt, paths = write_task(tmp_path, labels, score_intervals(labels, 1.5))
    report = tune(paths, gt, options=replace(QUICK, seconds=1e-9))
    assert report.num_settings == 1  # the default of each search
    assert report.honest_gain == 0


def test_the_strength_of_a_prior_is_searched(tmp_path):
    labels = make_task(9, 30)
    truth = annotate(labels)
    gt, paths = write_task(tmp_path, labels, score_intervals(labels, 1.5))
    pairs = set(zip(truth.segments.video.tolist(), truth.segments.label.tolist(), strict=True))
    said = [
        f"{name},{action},{0.9 if (video, label) in pairs else 0.02}"
        for video, name in enumerate(truth.video_ids)
        for label, action in enumerate(truth.vocabulary.names)
    ]
    (tmp_path / "prior.csv").write_text("\n".join(["video_id,label,score", *said]))
    prior = replace(QUICK.prior, video_prior=str(tmp_path / "prior.csv"))
    report = tune(
        paths, gt, tmp_path / "t.toml", options=replace(QUICK, search="gamma=0,0.5,1", prior=prior, force=True)
    )
    assert report.setting.gamma > 0
    assert report.optimistic_score > report.default_score
    assert f'video-prior = "{tmp_path / "prior.csv"}"' in (tmp_path / "t.toml").read_text()


@pytest.mark.golden
def test_real_scores_gain_by_smoothing_on_videos_that_did_not_choose_it(shared_data, tmp_path):

    from tsmfeat.formats.interval_scores import write_interval_scores

    stream = read_stream(shared_data("segmentation/50salads_mid.mid_video_SVM.npz"))
    cut = np.split(stream.truth, stream.scores.row_offset[1:-1])
    truth = annotate_pieces(cut, stream.scores.video_ids, stream.scores.vocabulary, 1.0)
    write_annotations(truth, tmp_path / "gt.json")
    write_interval_scores(stream.scores, tmp_path / "svm.safetensors")
    search = "smooth=none,mean:5,mean:9,mean:15,gaussian:2;min-duration=0,2,4"
    report = tune(tmp_path / "svm.safetensors", tmp_path / "gt.json", options=TuneOptions(search, num_resamples=200))
    assert report.num_settings == 15
    assert report.default_score == pytest.approx(evaluate(localize(stream.scores), truth).final_score, abs=1e-12)
    assert report.honest_gain > 0.08
    assert report.held_out.is_distinguishable
    assert set(report.searched[0].of_folds) == {"gaussian:2"}


def test_a_fold_without_truth_is_left_out_of_the_gain(tmp_path):
    labels = make_task(6, 30)
    labels[2][:] = 3  # nothing but background
    gt, paths = write_task(tmp_path, labels, score_intervals(labels, 0.1, spikes=0.3))
    report = tune(paths, gt, options=replace(QUICK, num_folds=6, search="smooth=none,mean:5"))
    held, fold = report.held_out, naive_folds([f"video {k:02}" for k in range(6)], 6)["video 02"]
    assert [math.isnan(score) for score in held.default_of_folds] == [k == fold for k in range(6)]
    known = [k for k in range(6) if k != fold]
    gains = [held.tuned_of_folds[k] - held.default_of_folds[k] for k in known]
    assert held.gain == pytest.approx(np.mean(gains), abs=1e-12)
    # A fold of one video resamples to itself.
    assert held.interval == pytest.approx((held.gain, held.gain), abs=1e-12)
    assert report.to_dict()["tuned_of_folds"][fold] is None


def test_resampled_folds_are_those_of_files_with_copied_videos():
    labels = make_task(4, 30, seed=5)
    scores = score_intervals(labels, 1.5)
    truth = annotate(labels)
    before, after = (localize(scores, LocalizationOptions(smooth=smooth)) for smooth in ("none", "mean:5"))
    exam = make_exam(truth, [scores], 2, "paper", THRESHOLDS)
    held = measure_gain(before, after, exam, 400, seed=0)
    # Two videos a fold: of all draws, a quarter holds one twice, a quarter the other twice, and a half both.
    gains = []
    for fold in range(2):
        one, other = np.flatnonzero(exam.fold == fold).tolist()
        drawn = [(one, one), (other, other), (one, other), (one, other)]
        gains.append([final_of(after, truth, pair) - final_of(before, truth, pair) for pair in drawn])
    means = [(a + b) / 2 for a in gains[0] for b in gains[1]]
    assert held.gain == pytest.approx((gains[0][2] + gains[1][2]) / 2, abs=1e-12)
    # The rarest mean comes once in sixteen draws: more often than the tails that are cut off.
    assert held.interval == pytest.approx((min(means), max(means)), abs=1e-12)


def final_of(predictions, truth, videos):
    """The final score of the files in which these videos stand, one drawn twice as two videos."""
    names = truth.video_ids
    copied = [
        [(f"{copy} {row[0]}", *row[1:]) for copy, video in enumerate(videos) for row in rows if row[0] == names[video]]
        for rows in (rows_of(predictions), truths_of(truth))
    ]
    return naive_final(*copied)


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_folds": 7}, "6 annotated videos and 7 folds"),
        ({"search": "gamma=0,1"}, "no --video-prior"),
        ({"search": "smooth=mean:4"}, "smooth 'mean:4'"),
        ({"search": "smoth=none"}, "no option that can be searched"),
        ({"search": "max-gap=none"}, "not a value of this option"),
        ({"search": "max-gap=1;max-gap=2"}, "has its values, once"),
        ({"search": "weights=0.5/0.5"}, "2 weights for 1"),
        ({"subset": "training"}, "training"),
    ],
)
def test_what_cannot_be_tuned_is_refused(tmp_path, changes, message):
    labels = make_task(6, 20)
    gt, paths = write_task(tmp_path, labels, score_intervals(labels, 1.0))
    with pytest.raises(ConfigurationError, match=message):
        tune(paths, gt, options=replace(QUICK, **changes))


@pytest.mark.parametrize(
    "changes", [{"budget": 0}, {"seconds": 0.0}, {"num_folds": 1}, {"seed": -1}, {"num_resamples": 1}]
)
def test_numbers_out_of_range_are_refused(changes):
    with pytest.raises(ConfigurationError):
        TuneOptions(**changes)


def test_files_that_do_not_fit_are_refused(tmp_path):
    labels = make_task(6, 20)
    gt, paths = write_task(tmp_path, labels, score_intervals(labels, 1.0))
    with pytest.raises(ConfigurationError, match="nothing to tune"):
        tune([], gt)
    with pytest.raises(ConfigurationError, match="TOML"):
        tune(paths, gt, tmp_path / "gt.json")
    strangers = score_intervals(labels, 1.0)
    renamed = replace(strangers, video_ids=tuple(f"other {k}" for k in range(6)))
    _, others = write_task(tmp_path, labels, renamed)
    with pytest.raises(InputError, match="none of the 6"):
        tune(others, gt, options=QUICK)


def test_all_truth_in_one_fold_leaves_nothing_to_choose_by(tmp_path):
    labels = make_task(6, 20)
    for own in labels[1:]:
        own[:] = 3
    gt, paths = write_task(tmp_path, labels, score_intervals(labels, 1.0))
    with pytest.raises(ConfigurationError, match="one of the 3 folds"):
        tune(paths, gt, options=QUICK)
