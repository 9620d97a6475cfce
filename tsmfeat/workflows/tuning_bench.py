"""A setting becomes segments, and segments become the scores of all folds by one matching."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError
from tsmfeat.localization.localizing import localize, smooth_scores
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.metrics.matching import match_predictions
from tsmfeat.metrics.protocols import protocol_named
from tsmfeat.metrics.resampling import Population, resample_scores
from tsmfeat.values.annotations import NO_SCENE, Annotations
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.workflows.ensembles import fuse_sources
from tsmfeat.workflows.folds import assign_all_folds
from tsmfeat.workflows.tuning_settings import Setting
from tsmfeat.workflows.video_priors import Source, tilt

Floats = npt.NDArray[np.float64]
Predict = Callable[[Setting], Predictions]

# Segments of one localisation, kept for the fusions that are tried on them: megabytes each on large data.
_KEPT_MEMBERS = 64
# Smoothed scores are as large as the scores; so many bytes of them are kept.
_KEPT_BYTES = 1 << 30
_MOST_KEPT_SMOOTHINGS = 64


@dataclass(frozen=True, eq=False)
class Material:
    """What settings are tried on.

    Parameters
    ----------
    sources
        Interval scores, which are localised, and predictions, which are not.
    priors
        What is known of the videos of each source; empty: nothing.
    """

    sources: tuple[Source, ...]
    priors: tuple[Floats, ...]


@dataclass(frozen=True, eq=False)
class Exam:
    """What segments are judged by.

    Parameters
    ----------
    truth
        The annotated videos, and after them those that are only predicted: they hold no segment, so that a prediction
        there is as wrong as it is in any evaluation, and they belong to folds like the others.
    fold
        int64 (V,): the fold of each of its videos.
    protocol, tiou_thresholds
        As in `ScoreOptions`.
    """

    truth: Annotations
    fold: npt.NDArray[np.int64]
    protocol: str
    tiou_thresholds: tuple[float, ...] | None

    @property
    def num_folds(self) -> int:
        """Folds."""
        return int(self.fold.max()) + 1

    @property
    def fold_of(self) -> dict[str, int]:
        """The fold of each video by its name."""
        return dict(zip(self.truth.video_ids, self.fold.tolist(), strict=True))

    def without_folds(self) -> npt.NDArray[np.uint16]:
        """Return which videos count: all of them in the first row, those outside fold f in row f + 1."""
        outside = np.arange(-1, self.num_folds)[:, None] != self.fold
        return np.hstack([outside, np.ones((len(outside), 1), bool)]).astype(np.uint16)


def make_predictor(material: Material) -> Predict:
    """Return the function from a setting to what is predicted with it; what settings share is done once."""
    scored_bytes = sum(source.scores.nbytes for source in material.sources if isinstance(source, IntervalScores))
    num_kept = max(1, min(_MOST_KEPT_SMOOTHINGS, _KEPT_BYTES // max(scored_bytes, 1)))

    @lru_cache(maxsize=num_kept)
    def smoothed(gamma: float, smooth: str) -> tuple[Source, ...]:
        found = material.sources
        if material.priors:
            found = tuple(tilt(*pair, gamma) for pair in zip(material.sources, material.priors, strict=True))
        options = LocalizationOptions(smooth=smooth)
        return tuple(smooth_scores(each, options) if isinstance(each, IntervalScores) else each for each in found)

    @lru_cache(maxsize=_KEPT_MEMBERS)
    def members(gamma: float, options: LocalizationOptions) -> tuple[Predictions, ...]:
        # A path of labels is sought by localising; a filter is done by then.
        rest = options if options.smoothing[0] == "viterbi" else replace(options, smooth="none")
        return tuple(
            localize(source, rest) if isinstance(source, IntervalScores) else source
            for source in smoothed(gamma, options.smooth)
        )

    def predict(setting: Setting) -> Predictions:
        found = members(setting.gamma, setting.localization)
        return fuse_sources(found, setting.weights or (1.0,) * len(found), setting.fusion)

    return predict


def make_exam(
    truth: Annotations,
    sources: Sequence[Source],
    num_folds: int,
    protocol: str,
    tiou_thresholds: tuple[float, ...] | None,
) -> Exam:
    """Deal the videos out to folds, by the hash of their ids.

    Raises
    ------
    ConfigurationError
        Fewer annotated videos than folds, or a fold that holds all truth.
    """
    if len(truth.video_ids) < num_folds:
        count = len(truth.video_ids)
        raise ConfigurationError(
            f"{count} annotated videos and {num_folds} folds; each fold needs a video",
            f"use --folds {count}" if count > 1 else "annotate more videos: one cannot tell what holds on others",
        )
    known = set(truth.video_ids)
    extra = list(dict.fromkeys(name for source in sources for name in source.video_ids if name not in known))
    fold_of = assign_all_folds(truth.video_ids, extra, num_folds)
    every = _add_videos(truth, extra)
    fold = np.array([fold_of[name] for name in every.video_ids], np.int64)
    folds_with_truth = set(fold[every.segments.video].tolist())
    if len(folds_with_truth) == 1:
        raise ConfigurationError(
            f"all annotated segments lie in one of the {num_folds} folds; nothing is left to choose by",
            "use other folds: --folds N, or annotate more videos",
        )
    return Exam(every, fold, protocol, tiou_thresholds)


def grade_folds(predictions: Predictions, exam: Exam) -> Floats:
    """Return the final score on all videos, and on those outside each fold: float64 (F + 1,).

    Hits never depend on other videos, so one matching serves all of them.
    """
    protocol = protocol_named(exam.protocol)
    matching = match_predictions(predictions, exam.truth, protocol, exam.tiou_thresholds)
    return resample_scores(matching, Population.of(exam.truth), exam.without_folds(), protocol).final_score


def _add_videos(truth: Annotations, video_ids: Sequence[str]) -> Annotations:
    count = len(video_ids)
    return replace(
        truth,
        video_ids=(*truth.video_ids, *video_ids),
        duration_seconds=np.append(truth.duration_seconds, np.full(count, np.nan)),
        subset=(*truth.subset, *("",) * count),
        scene=np.append(truth.scene, np.full(count, NO_SCENE, np.int32)),
    )
