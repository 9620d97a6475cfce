"""What was learned from the videos that are scored is told, and is not done twice."""

from dataclasses import replace

import pytest
from factories_tuning import annotate, make_task, score_intervals, write_task

from tsmfeat.errors import ConfigurationError
from tsmfeat.formats.activitynet import write_annotations
from tsmfeat.formats.writing import write_predictions
from tsmfeat.localization.localizing import localize
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.metrics.options import StatisticsOptions
from tsmfeat.priors.options import PriorOptions
from tsmfeat.values.progress import Silence
from tsmfeat.workflows import score_entries
from tsmfeat.workflows.fusing import fuse
from tsmfeat.workflows.score_options import FuseOptions, ScoreOptions, SearchOptions
from tsmfeat.workflows.scoring import score
from tsmfeat.workflows.tune_options import TuneOptions
from tsmfeat.workflows.tuning import tune


class Ear(Silence):
    """Progress that remembers warnings."""

    def __init__(self):
        self.warned = []

    def warn(self, text):
        self.warned.append(text)


@pytest.fixture
def task(tmp_path):
    labels = make_task(6, 24)
    return write_task(tmp_path, labels, score_intervals(labels, 1.0), score_intervals(labels, 1.0, 1))


def test_costs_of_changes_learned_from_the_scored_videos_are_told(task, tmp_path):
    gt, paths = task
    others = annotate(make_task(6, 24, 1))
    write_annotations(replace(others, video_ids=tuple(f"other {k}" for k in range(6))), tmp_path / "others.json")
    viterbi = ScoreOptions(LocalizationOptions(smooth="viterbi:1"))
    for transitions, told in ((gt, 1), (tmp_path / "others.json", 0)):
        ear = Ear()
        score(paths[0], gt, options=replace(viterbi, transitions=str(transitions)), progress=ear)
        assert sum("6 of the 6 videos that are scored" in text for text in ear.warned) == told


@pytest.mark.parametrize("asked", [{}, {"statistics": StatisticsOptions(split_bootstrap=3)}, {"compare_fusions": True}])
def test_what_is_made_of_learned_weights_is_told_to_flatter(task, asked):
    gt, paths = task
    ear = Ear()
    options = ScoreOptions(weights="learned", search=SearchOptions(2, 0, 10), **asked)
    score(paths, gt, options=options, progress=ear)
    assert sum("flatter learned weights" in text for text in ear.warned) == bool(asked)


@pytest.mark.parametrize("asked", [{}, {"statistics": StatisticsOptions(split_bootstrap=3)}, {"compare_fusions": True}])
def test_each_source_is_localised_once(task, asked, monkeypatch):
    gt, paths = task
    seen = []

    def count(scores, options, transitions):
        seen.append(scores.video_ids)
        return localize(scores, options)

    monkeypatch.setattr(score_entries, "localize_with_transitions", count)
    score(paths, gt, options=ScoreOptions(**asked))
    assert len(seen) == len(paths)


def test_a_subset_is_found_by_the_rule_of_the_protocol_wherever_something_is_chosen(task, tmp_path):
    gt, paths = task
    files = [tmp_path / f"{number}.json" for number in range(2)]
    for number, file in enumerate(files):
        write_predictions(localize(score_intervals(make_task(6, 24), 1.0, number)), file)
    words = {"protocol": "actionformer", "subset": "TESTING"}  # testing in the file
    search = SearchOptions(2, 0, 10)
    assert fuse(files, tmp_path / "out.json", FuseOptions(weights="learned", search=search, **words), gt).learned
    options = TuneOptions(search="max-gap=0,1", num_folds=2, num_resamples=5, **words)
    assert tune(paths, gt, options=options).num_videos == 6
    with pytest.raises(ConfigurationError, match="subset 'TESTING'"):
        tune(paths, gt, options=replace(options, protocol="paper"))


def test_actions_counted_in_the_videos_that_judge_are_told(task, tmp_path):
    gt, paths = task
    rows = [f"video {k:02},{name},{0.25 + k / 8}\n" for k in range(6) for name in ("run", "eat", "read")]
    (tmp_path / "known.csv").write_text("video_id,label,score\n" + "".join(rows))
    file = tmp_path / "found.json"
    write_predictions(localize(score_intervals(make_task(6, 24), 1.0)), file)
    for counted, told in ((str(gt), 1), ("", 0)):
        prior = PriorOptions(str(tmp_path / "known.csv"), 0.5, counted)
        chosen = replace(prior, gamma="auto")
        ears = [Ear() for _ in range(3)]
        score(paths[0], gt, options=ScoreOptions(prior=prior), progress=ears[0])
        fuse(file, tmp_path / "out.json", FuseOptions(prior=chosen), gt, ears[1])
        options = TuneOptions(search="max-gap=0,1", num_folds=2, num_resamples=5, prior=prior)
        tune(paths[0], gt, options=options, progress=ears[2])
        assert [sum("6 of the 6 videos that are scored" in text for text in ear.warned) for ear in ears] == [told] * 3
