"""The ways in which a scene could help an action on frozen features, fitted on one fold: for the study of scenes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scene_embeddings import Indexes, Videos

from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.prediction import pool_scenes, predict_probabilities
from tsmfeat.heads.rows import TrainingRows
from tsmfeat.heads.targets import interval_targets, scene_targets
from tsmfeat.heads.training import train_heads
from tsmfeat.priors.counts import action_rates, count_actions
from tsmfeat.priors.options import PriorOptions
from tsmfeat.priors.ratios import scene_ratios
from tsmfeat.values.annotations import Annotations

Floats = npt.NDArray[np.float64]

BOTH = ("action", "scene")
NUM_FRAMES = 8
MIN_OVERLAP = 0.5
EQUAL_WEIGHTS = (0.0, 0.3, 1.0)


@dataclass(frozen=True, eq=False)
class Fold:
    """Places of the videos that heads are fitted on, and of those that they are scored on."""

    training: Indexes
    held_out: Indexes


@dataclass(frozen=True)
class Method:
    """One way.

    Parameters
    ----------
    name
        As in tables.
    options
        Of its heads; methods of equal options share a fit.
    prior
        Where p(scene | video) is from: ``"predicted"`` by the linear scene head, or ``"true"``; empty: no prior.
    permuted
        Whether the videos have scenes of `permute_scenes`, in fitting and in counting.
    given_scene
        Whether the true scene is an input of the head.
    """

    name: str
    options: HeadOptions
    prior: str = ""
    permuted: bool = False
    given_scene: bool = False


def list_methods(settings: Mapping[str, HeadOptions]) -> list[Method]:
    """Return the ways to compare, with the options of each kind."""
    linear, mlp, conditioned = (replace(settings[kind], tasks=BOTH) for kind in ("linear", "mlp", "conditioned"))
    alone = replace(conditioned, tasks=("action",))
    return [
        Method("linear", linear),
        Method("linear, scene prior", linear, "predicted"),
        Method("linear, scene prior, permuted scenes", linear, "predicted", permuted=True),
        Method("linear, prior of the true scene", linear, "true"),
        Method("linear, true scene as input", replace(linear, tasks=("action",)), given_scene=True),
        Method("mlp", replace(mlp, scene_weight=0.0)),
        Method("mlp, scene weight 0.3", replace(mlp, scene_weight=0.3)),
        Method("mlp, scene weight 1", mlp),
        Method("mlp, scene weight 1, permuted scenes", mlp, permuted=True),
        Method("conditioned", alone),
        Method("conditioned, scene prior", alone, "predicted"),
    ]


def fit_methods(
    videos: Videos, methods: Sequence[Method], fold: Fold, seed: int
) -> dict[str, tuple[npt.NDArray[np.float32], Floats | None]]:
    """Return what each method says of the held-out videos, by increasing place.

    Parameters
    ----------
    videos
        All of them.
    methods
        What is fitted; heads of one seed that see the same inputs are fitted as one computation.
    fold
        Which videos are fitted on.
    seed
        Of the heads, and of the permutation.

    Returns
    -------
    dict
        By name float32 (K, C + 1), the probabilities of the K held-out intervals, and float64 (H, C), how much
        likelier each action is in each of H videos; None without a prior.
    """
    found: dict[str, tuple[npt.NDArray[np.float32], Floats | None]] = {}
    for permuted in (False, True):
        truth = permute_scenes(videos.truth, seed) if permuted else videos.truth
        for given_scene in (False, True):
            some = [one for one in methods if (one.permuted, one.given_scene) == (permuted, given_scene)]
            if some:
                found |= _fit_alike(replace_truth(videos, truth), some, fold, seed)
    return {method.name: found[method.name] for method in methods}


def replace_truth(videos: Videos, truth: Annotations) -> Videos:
    """Return videos with other annotations."""
    return replace(videos, truth=truth)


def permute_scenes(truth: Annotations, seed: int) -> Annotations:
    """Give the videos other scenes by lot, so that those of each true scene get every scene equally often.

    Were they merely shuffled, some would share more with a true scene than others, by chance: heads see the true scene,
    and a little of what it tells would come through.
    """
    rng = np.random.default_rng((seed, 29))
    scene = truth.scene.copy()
    for true in range(len(truth.scene_vocabulary)):
        places = np.flatnonzero(truth.scene == true)
        dealt = (np.arange(len(places)) + true) % len(truth.scene_vocabulary)
        scene[places] = rng.permutation(dealt)
    return replace(truth, scene=scene)


def _fit_alike(
    videos: Videos, methods: Sequence[Method], fold: Fold, seed: int
) -> dict[str, tuple[npt.NDArray[np.float32], Floats | None]]:
    table = _with_scenes(videos) if methods[0].given_scene else videos.embeddings
    data = _make_rows(videos, table, fold)
    wanted = list(dict.fromkeys(replace(one.options, seed=seed) for one in methods))
    fitted = [one.weights for one in train_heads(data, wanted, NUM_FRAMES)]
    heads = dict(zip(wanted, fitted, strict=True))
    held_out = np.sort(fold.held_out)
    kept, offset = _rows_of(videos.row_offset, held_out)
    said = {options: predict_probabilities(weights, table[kept], offset) for options, weights in heads.items()}
    pooled = {options.head: pool_scenes(scene, offset) for options, (_, scene) in said.items() if scene is not None}
    found: dict[str, tuple[npt.NDArray[np.float32], Floats | None]] = {}
    for method in methods:
        options = replace(method.options, seed=seed)
        found[method.name] = said[options][0], _make_prior(videos, method, fold, pooled)
    return found


def _make_prior(videos: Videos, method: Method, fold: Fold, pooled: Mapping[str, Floats]) -> Floats | None:
    if not method.prior:
        return None
    held_out, truth = np.sort(fold.held_out), videos.truth
    scenes = np.eye(len(truth.scene_vocabulary))[truth.scene[held_out]] if method.prior == "true" else pooled["linear"]
    counts = count_actions(truth.select_videos(np.sort(fold.training).tolist()))
    return scene_ratios(scenes, *action_rates(counts, PriorOptions.smoothing))


def _with_scenes(videos: Videos) -> npt.NDArray[np.float16]:
    scene = np.repeat(videos.truth.scene, np.diff(videos.row_offset))
    known = np.eye(len(videos.truth.scene_vocabulary), dtype=np.float16)[scene]
    return np.hstack([videos.embeddings, known])


def _make_rows(videos: Videos, table: npt.NDArray[Any], fold: Fold) -> TrainingRows:
    truth = videos.truth
    action = interval_targets(truth, truth.video_ids, videos.row_offset, videos.step_seconds, MIN_OVERLAP)
    scene = scene_targets(truth, truth.video_ids, videos.row_offset)
    rows = _rows_of(videos.row_offset, np.sort(fold.training))[0]
    sizes = len(truth.vocabulary), len(truth.scene_vocabulary)
    return TrainingRows(table, rows, action, scene, *sizes, videos.row_offset)


def _rows_of(row_offset: Indexes, places: Indexes) -> tuple[Indexes, Indexes]:
    """Return the rows of some videos, and where among them each video begins."""
    rows = np.concatenate([np.arange(row_offset[v], row_offset[v + 1]) for v in places])
    return rows, np.concatenate([[0], np.cumsum(np.diff(row_offset)[places])])


def same_actions_whatever_scenes(videos: Videos, fold: Fold, options: HeadOptions) -> bool:
    """Tell whether a linear action head is the same, bit for bit, without scenes and for every scene weight."""
    runs = [replace(options, tasks=BOTH, scene_weight=weight) for weight in EQUAL_WEIGHTS]
    runs.append(replace(options, tasks=("action",)))
    first, *others = (train_heads(_make_rows(videos, videos.embeddings, fold), [one], NUM_FRAMES)[0] for one in runs)
    return all(_same_actions(first.weights, other.weights) for other in others)


def _same_actions(one: HeadParameters, other: HeadParameters) -> bool:
    pairs = (one.action_weight, other.action_weight), (one.action_bias, other.action_bias)
    return all(np.array_equal(*pair) for pair in pairs)
