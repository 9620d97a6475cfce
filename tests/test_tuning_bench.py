"""What a setting predicts is what the stages make of it one after another, and what a file tells the commands."""

from dataclasses import replace

import numpy as np
import pytest
from factories_metrics import predictions_of
from factories_tuning import make_task, score_intervals

from tsmfeat.fusion.fusing import fuse
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.localization.localizing import localize
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.priors.tilting import tilt_intervals
from tsmfeat.workflows.tune_options import TuneOptions
from tsmfeat.workflows.tuning_bench import Material, make_predictor
from tsmfeat.workflows.tuning_settings import Setting
from tsmfeat.workflows.tuning_tables import list_tables

SCORES = score_intervals(make_task(3, 30), 1.5)
PRIOR = np.random.default_rng(0).random((3, 3))
ALONE = FusionOptions(fusion="none")
COLUMNS = ("video", "label", "start", "end", "score")


@pytest.mark.parametrize("smooth", ["none", "mean:3", "gaussian:1", "viterbi:0.4"])
def test_a_setting_predicts_what_the_stages_do_whatever_was_asked_before(smooth):
    predict = make_predictor(Material((SCORES,), (PRIOR,)))
    for gamma in (0.0, 1.0, 0.0):
        for max_gap in (0, 2):
            options = LocalizationOptions(smooth=smooth, max_gap=max_gap)
            predict(Setting(replace(options, smooth="mean:9"), ALONE, gamma))
            found = predict(Setting(options, ALONE, gamma)).segments
            expected = localize(tilt_intervals(SCORES, PRIOR, gamma), options).segments
            for column in COLUMNS:
                assert getattr(found, column).tolist() == getattr(expected, column).tolist()
    plain = localize(SCORES).segments
    assert smooth == "none" or found.start.tolist() != plain.start.tolist()


def test_options_without_a_say_are_left_out_of_the_file():
    asked = TuneOptions()
    tables = list_tables(Setting(fusion=FusionOptions("nms")), [SCORES, SCORES], asked)
    assert {"fusion", "fusion-tiou", "weights", "smooth"} <= set(tables["score"])
    assert not {"fusion-sigma", "union", "missing", "threshold"} & set(tables["score"])
    assert "union" in list_tables(Setting(), [SCORES, SCORES], asked)["fuse"]


def test_a_score_of_just_the_least_stays():
    found = predictions_of([("a", "run", 0, 1, 0.25), ("a", "run", 2, 3, 0.125)])
    assert fuse([found], None, replace(ALONE, min_score=0.25)).segments.score.tolist() == [0.25]
