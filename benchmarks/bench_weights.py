"""Learned weights: one candidate graded, by ours, by fusing and evaluating anew, and by plain code."""

import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle

import numpy as np
from bench_fusion import list_rows
from harness import Case, call, compete, require_equal
from inputs import make_models, make_truth
from peers.dict_fusion import fuse_by_dict
from peers.numpy_matching import evaluate_with_numpy
from reporting import Goal, Report, Setting, judge, run_benchmark

from tsmfeat.fusion.fusing import fuse
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.workflows.candidates import list_candidates
from tsmfeat.workflows.folds import assign_folds
from tsmfeat.workflows.grading import Judge, make_grade
from tsmfeat.workflows.learning import learn_weights
from tsmfeat.workflows.score_options import SearchOptions

VIDEOS, QUICK_VIDEOS, CLASSES, PER_VIDEO, FOLDS = 40, 10, 20, 25, 5
OURS, ANEW, PLAIN = "tsmfeat", "fuse and evaluate anew", "dict fusion and numpy AP"
FOLDED, FOLDED_ANEW = "tsmfeat, all and without each of 5 folds", "anew, all and without each of 5 folds"
JUDGE = Judge("paper")


def measure(setting: Setting) -> Report:
    """Time a candidate of each fusion, and a whole search."""
    videos = QUICK_VIDEOS if setting.quick else VIDEOS
    cases = [_measure_rule(FusionOptions(name), videos, setting) for name in ("paper", "wbf", "nms", "soft-nms")]
    goals = [judge(Goal("a candidate's grade", PLAIN, OURS, 10, 50), cases[0])]
    goals += [judge(Goal("a candidate's grade, against our own functions", ANEW, OURS, 10, 50), case) for case in cases]
    goals += [judge(Goal("a candidate's grades with folds", FOLDED_ANEW, FOLDED, 10, 50), case) for case in cases]
    truth, models = _inputs(videos, setting)
    search = SearchOptions(FOLDS, setting.seed, 20 if setting.quick else 1000)
    found = learn_weights(models, truth, FusionOptions(), JUDGE, search)
    facts = {"search": f"{found.num_candidates} candidates and as many neighbours a fold: {found.seconds:.2f} s wall"}
    return Report(cases, goals, facts=facts)


def _inputs(videos: int, setting: Setting) -> tuple[Annotations, list[Predictions]]:
    return make_truth(videos, CLASSES, PER_VIDEO, setting.seed), make_models(videos, CLASSES, PER_VIDEO, setting.seed)


def _measure_rule(options: FusionOptions, videos: int, setting: Setting) -> Case:
    truth, models = _inputs(videos, setting)
    folds = assign_folds(truth.video_ids, FOLDS)
    candidates = list_candidates(len(models), 100, np.random.default_rng(setting.seed))
    grade = make_grade(models, truth, options, JUDGE, {})
    folded = make_grade(models, truth, options, JUDGE, folds)
    turn = cycle(candidates.tolist())

    def anew(weights: list[float]) -> float:
        return JUDGE.final_score(fuse(models, weights, options), truth)

    for weights in candidates[:20]:
        require_equal("the grade", grade(weights)[0], anew(weights.tolist()), 1e-12)
        require_equal("the grade with folds", folded(weights)[0], anew(weights.tolist()), 1e-12)
    # A bound that leaves nothing out, and makes every candidate be fused and evaluated anew.
    folded_anew = make_grade(models, truth, replace(options, min_score=-1e9), JUDGE, folds)
    require_equal("grades", folded(candidates[0]), folded_anew(candidates[0]), 1e-12)
    contestants = {
        OURS: call(lambda: grade(np.array(next(turn)))),
        ANEW: call(lambda: anew(next(turn))),
        FOLDED: call(lambda: folded(np.array(next(turn)))),
        FOLDED_ANEW: call(lambda: folded_anew(np.array(next(turn)))),
    }
    if options.fusion == "paper":
        contestants[PLAIN] = call(_make_plain(models, truth, candidates[0].tolist(), anew))
    sizes = {"videos": videos, "models": len(models), "segments": sum(len(model.segments) for model in models)}
    return compete(f"a candidate of {options.fusion}", sizes, contestants, setting.pace(15))


def _make_plain(
    models: list[Predictions], truth: Annotations, weights: list[float], anew: Callable[[list[float]], float]
) -> Callable[[], float]:
    listed, thresholds = [list_rows(model) for model in models], np.array([0.5, 0.75, 0.95])

    def grade() -> float:
        fused = fuse_by_dict(listed, weights, 0.5)
        columns = np.array([(video, *row) for video, rows in enumerate(fused) for row in rows]).T
        ids = columns[:2].astype(np.int32)
        segments = Segments(ids[0], ids[1], columns[2], columns[3], columns[4])
        found = Predictions(models[0].video_ids, models[0].vocabulary, segments)
        return float(evaluate_with_numpy(found, truth, thresholds).mean())

    require_equal("the plain grade", grade(), anew(weights), 1e-9)
    return grade


if __name__ == "__main__":
    sys.exit(run_benchmark("weights", measure))
