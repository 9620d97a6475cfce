"""One fusion under many weights: what models share is found once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsmfeat.fusion.options import FusionOptions
from tsmfeat.fusion.rules import fuse_pool, require_weighable, unite
from tsmfeat.fusion.stacking import Stack, stack_models
from tsmfeat.kernels.alignment import Alignment, align_segments, select_voices, weigh_alignment, weigh_scores
from tsmfeat.kernels.pools import Pool, pool_segments
from tsmfeat.kernels.rows import Rows, empty_rows, first_rows
from tsmfeat.values.predictions import Predictions

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PreparedFusion:
    """Models ready to be fused with any weights.

    Parameters
    ----------
    stack
        Their segments and names.
    shared
        What depends on no weight: the aligned segments (paper), or the pool (the others).
    room
        Used anew by every fusion.
    options
        The rule.
    """

    stack: Stack
    shared: Alignment | Pool
    room: Rows
    options: FusionOptions

    def fuse_rows(self, weights: Floats) -> Rows:
        """Return what `tsmfeat.fusion.fusing.fuse` makes, before `keep_best`, in whole units.

        Parameters
        ----------
        weights
            float64 (M,): >= 0, not all 0.

        Returns
        -------
        Rows
            By (video, label, start, end). Overwritten by the next call.
        """
        if isinstance(self.shared, Alignment):
            return self._fuse_aligned(self.shared, weights)
        if weights.min() > 0:
            return fuse_pool(self.shared, weights, self.options)
        chosen = select_voices(self.shared, weights)
        number = np.cumsum(weights > 0, dtype=np.int32) - np.int32(1)
        pool = Pool(chosen.rows, number[chosen.model], chosen.offset)
        return fuse_pool(pool, weights[weights > 0], self.options)

    def _fuse_aligned(self, shared: Alignment, weights: Floats) -> Rows:
        absent_counts = self.options.missing == "zero"
        if weights.min() > 0:
            # All segments stay: only their scores are new, and the aligned bounds must outlive the union.
            scores = self.room.score[: len(shared.score)]
            weigh_scores(shared, weights, absent_counts, scores)
            return unite(shared.rows._replace(score=scores), self.options, in_place=False)
        averages = first_rows(self.room, weigh_alignment(shared, weights, absent_counts, self.room))
        return unite(averages, self.options)


def prepare_fusion(models: Sequence[Predictions], options: FusionOptions) -> PreparedFusion:
    """Find once what models share.

    Parameters
    ----------
    models
        At least one.
    options
        Any fusion but none.

    Raises
    ------
    InputError
        A score below 0, and a fusion that multiplies by scores.
    """
    stack = stack_models(models, options.decimals)
    require_weighable(stack, options)
    shared: Alignment | Pool
    if options.fusion == "paper":
        shared = align_segments(stack.rows, stack.owners, len(models))
    else:
        shared = pool_segments(stack.rows, stack.owners)
    return PreparedFusion(stack, shared, empty_rows(len(stack.owners)), options)
