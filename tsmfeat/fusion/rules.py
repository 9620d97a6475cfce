"""The rule that makes one list of segments of all models', and what is kept of it."""

import math

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.fusion.stacking import Stack
from tsmfeat.kernels.absorption import unite_absorb
from tsmfeat.kernels.averages import Voices, average_segments
from tsmfeat.kernels.boxes import average_boxes
from tsmfeat.kernels.pools import Pool, pool_segments
from tsmfeat.kernels.rows import Rows
from tsmfeat.kernels.suppression import suppress_hard, suppress_soft
from tsmfeat.kernels.unions import unite_components, unite_sweep
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary

Floats = npt.NDArray[np.float64]


def fuse_rows(stack: Stack, weights: Floats, options: FusionOptions) -> Rows:
    """Make one list of segments of all models' by the rule of the options.

    Parameters
    ----------
    stack
        The models' segments; its spare room is used up.
    weights
        float64 (M,): positive.
    options
        Any fusion but none.

    Returns
    -------
    Rows
        By (video, label, start, end).

    Raises
    ------
    InputError
        A score below 0, and a fusion that multiplies by scores.
    """
    if options.fusion == "paper":
        voices = Voices(stack.owners, weights)
        return unite(average_segments(stack.rows, voices, options.missing == "zero", stack.spare), options)
    require_weighable(stack, options)
    return fuse_pool(pool_segments(stack.rows, stack.owners), weights, options)


def require_weighable(stack: Stack, options: FusionOptions) -> None:
    """Refuse scores below 0 where scores weigh bounds or are weakened by factors.

    Raises
    ------
    InputError
        Names the fusion and the lowest score.
    """
    if options.fusion in ("wbf", "soft-nms") and len(stack.owners) and (lowest := float(stack.rows.score.min())) < 0:
        raise InputError(
            f"a score of {lowest:g}; fusion {options.fusion!r} multiplies by scores, which are >= 0 then",
            "turn margins into probabilities first, or use --fusion paper or nms",
        )


def unite(rows: Rows, options: FusionOptions, in_place: bool = True) -> Rows:
    """Unite averaged segments that overlap; in place, the rows' memory is used."""
    if options.fusion_tiou is None or options.union == "none":
        return rows
    threshold = float(options.fusion_tiou)
    if options.union == "absorb":
        return unite_absorb(rows, threshold, in_place)
    return {"components": unite_components, "sweep": unite_sweep}[options.union](rows, threshold)


def fuse_pool(pool: Pool, weights: Floats, options: FusionOptions) -> Rows:
    """Fuse a pool of the models' segments: wbf, nms or soft-nms."""
    threshold = threshold_of(options)
    if options.fusion == "wbf":
        return average_boxes(pool, weights, threshold, options.missing == "zero")
    relative = relative_weights(weights)
    if options.fusion == "nms":
        return suppress_hard(pool, relative, threshold)
    return suppress_soft(pool, relative, float(options.sigma))


def threshold_of(options: FusionOptions) -> float:
    """Return the tIoU above which segments become one; infinite: never."""
    return math.inf if options.fusion_tiou is None else float(options.fusion_tiou)


def relative_weights(weights: Floats) -> Floats:
    """Return weights in units of the largest: where nothing is averaged, equal weights leave all scores as they are."""
    relative: Floats = weights / weights.max()
    return relative


def keep_best(segments: Segments, actions: Vocabulary, options: FusionOptions) -> Segments:
    """Leave out segments below the least score, and all but the best of each video.

    Parameters
    ----------
    segments
        Their order stays.
    actions
        Of equal scores the class whose name sorts first is kept, then the earlier start, then the earlier end:
        whatever the order of the input.
    options
        The bounds of both.
    """
    if options.min_score is not None:
        segments = segments.take(segments.score >= options.min_score)
    if options.max_segments is None or not len(segments):
        return segments
    rank_of_label = np.argsort(np.argsort(np.array(actions.names)))
    keys = (segments.end, segments.start, rank_of_label[segments.label], -segments.score, segments.video)
    order = np.lexsort(keys)
    first = np.searchsorted(segments.video[order], segments.video[order])
    return segments.take(np.sort(order[np.arange(len(order)) - first < options.max_segments]))
