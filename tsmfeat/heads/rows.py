"""The rows heads are fitted on, and what each of them weighs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError
from tsmfeat.heads.options import BALANCED
from tsmfeat.heads.views import JoinedViews
from tsmfeat.values.annotations import NO_SCENE


@dataclass(frozen=True, eq=False)
class TrainingRows:
    """Some rows of a feature table, with their targets.

    Parameters
    ----------
    features
        float16 or float32 (N, D): the whole table, read in place and never copied as a whole.
    rows
        int64 (K,), K > 0: the rows to fit on.
    action
        int32 (N,): targets as of `tsmfeat.heads.targets.interval_targets`; background is `num_actions`.
    scene
        int32 (N,): targets as of `tsmfeat.heads.targets.scene_targets`; -1 is unknown.
    num_actions, num_scenes
        Sizes C and S of the vocabularies; background is not counted.
    row_offset
        int64 (V + 1,): video v owns rows ``row_offset[v]:row_offset[v + 1]`` of the table. Only heads that look at
        neighbouring intervals need it.
    views
        Which of several joined views each row of the table has; None for one view.
    soft
        float32 (N, C + 1) by name: targets that are no single class, as of `tsmfeat.heads.shares.soft_targets`; needed
        by the losses that ask for them.
    in_blocks
        Whether the table lies on a disk: rows are then drawn in shuffled blocks (`tsmfeat.heads.block_order`).

    Raises
    ------
    InputError
        The shapes do not fit, there is no row, or a row or target is out of range: the first bad row is named.

    Examples
    --------
    >>> data = TrainingRows(np.zeros((3, 4), np.float16), np.array([0, 2]), np.array([0, -1, 1]), np.full(3, -1), 1, 0)
    >>> data.action_targets().tolist(), data.knows_scenes()
    ([0, 1], False)
    """

    features: npt.NDArray[Any]
    rows: npt.NDArray[np.int64]
    action: npt.NDArray[np.int32]
    scene: npt.NDArray[np.int32]
    num_actions: int
    num_scenes: int
    row_offset: npt.NDArray[np.int64] | None = None
    views: JoinedViews | None = None
    soft: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    in_blocks: bool = False

    def __post_init__(self) -> None:
        """Check shapes, rows and targets."""
        if self.features.ndim != 2 or self.features.dtype not in (np.float16, np.float32):
            found = f"{self.features.dtype} of shape {self.features.shape}"
            raise InputError(f"features are {found}; expected float16 or float32 (N, D)", "cast them")
        for name in ("action", "scene"):
            if getattr(self, name).shape != self.features.shape[:1]:
                count = len(self.features)
                raise InputError(f"{name} targets of shape {getattr(self, name).shape} for {count} rows; one each", "")
        if self.views is not None and self.features.shape != (len(self.views.present), self.views.embedding_size):
            joined = (len(self.views.present), self.views.embedding_size)
            raise InputError(f"joined views of shape {joined} for features of {self.features.shape}; one for one", "")
        self._require_rows()
        _require_targets("action", self.rows, self.action_targets(), 0, self.num_actions)
        _require_targets("scene", self.rows, self.scene_targets(), NO_SCENE, self.num_scenes - 1)

    def _require_rows(self) -> None:
        if self.rows.ndim != 1 or self.rows.dtype.kind not in "iu":
            raise InputError(f"rows are {self.rows.dtype} of shape {self.rows.shape}; expected indexes (K,)", "")
        if not len(self.rows):
            raise InputError(
                "no interval to fit on; heads need at least one training row",
                "check that the subset's videos are among the features, and that they are longer than the step",
            )
        bad = (self.rows < 0) | (self.rows >= len(self.features))
        if bad.any():
            raise InputError(f"row {self.rows[np.argmax(bad)]} is not among the {len(self.features)} rows", "")

    def action_targets(self) -> npt.NDArray[np.int64]:
        """Return the action targets of the rows to fit on, int64 (K,)."""
        return self.action[self.rows].astype(np.int64)

    def soft_targets(self, kind: str) -> npt.NDArray[np.float32]:
        """Return the targets of a kind of the rows to fit on, float32 (K, C + 1).

        Raises
        ------
        InputError
            There are none, they have another shape, or a row to fit on has none.
        """
        if kind not in self.soft:
            known = ", ".join(self.soft) or "none"
            raise InputError(f"targets of the kind {kind!r} are asked for; the rows come with {known}", "")
        if self.soft[kind].shape != (len(self.features), self.num_actions + 1):
            expected = (len(self.features), self.num_actions + 1)
            raise InputError(f"{kind} targets of shape {self.soft[kind].shape}; expected {expected}", "")
        found = self.soft[kind][self.rows]
        bad = ~((found >= 0) & (found <= 1)).all(axis=1)
        if bad.any():
            raise InputError(
                f"row {self.rows[np.argmax(bad)]} has {kind} targets outside [0, 1]; training rows have shares",
                "fit on rows of annotated videos",
            )
        return np.ascontiguousarray(found, np.float32)

    def scene_targets(self) -> npt.NDArray[np.int64]:
        """Return the scene targets of the rows to fit on, int64 (K,)."""
        return self.scene[self.rows].astype(np.int64)

    def pieces(self) -> npt.NDArray[np.int64]:
        """Return where in `rows` each stretch of consecutive rows of one video begins, and their number at the end.

        Raises
        ------
        InputError
            It is not known which rows are a video's.

        Examples
        --------
        >>> nothing, rows = np.zeros(6, np.int32), np.array([0, 1, 2, 4, 5])
        >>> TrainingRows(np.zeros((6, 1), np.float16), rows, nothing, nothing, 1, 1, np.array([0, 2, 6])).pieces()
        array([0, 2, 3, 5])
        """
        if self.row_offset is None:
            raise InputError(
                "heads that look at other intervals, and rows of unknown videos; they are fitted on videos", ""
            )
        video = np.searchsorted(self.row_offset, self.rows, side="right")
        begins = (np.diff(self.rows) != 1) | (np.diff(video) != 0)
        return np.concatenate([[0], np.flatnonzero(begins) + 1, [len(self.rows)]]).astype(np.int64)

    def knows_scenes(self) -> bool:
        """Tell whether any row to fit on has a scene."""
        return bool((self.scene[self.rows] != NO_SCENE).any())


def _require_targets(
    task: str, rows: npt.NDArray[np.int64], targets: npt.NDArray[np.int64], least: int, most: int
) -> None:
    bad = (targets < least) | (targets > most)
    if bad.any():
        place = int(np.argmax(bad))
        raise InputError(
            f"row {rows[place]} has {task} target {targets[place]}; training rows have one in {least}..{most}",
            "fit on rows of annotated videos, and use the vocabulary of their annotations",
        )


def class_weights(
    targets: npt.NDArray[np.int64], num_actions: int, background_weight: float | str
) -> npt.NDArray[np.float64]:
    """Return what a row of each class weighs in the action loss.

    Parameters
    ----------
    targets
        int64 (K,): the training rows' classes; background is `num_actions`.
    num_actions
        C.
    background_weight
        A number: background weighs that, each action 1. ``"balanced"``: each class that occurs weighs the inverse of
        its number of rows, scaled to mean 1 over these classes.

    Returns
    -------
    float64 (C + 1,)
        Under ``"balanced"`` a class without rows has 0, and no row reads it.

    Examples
    --------
    >>> class_weights(np.array([0, 2, 2, 2]), 2, "balanced").tolist()
    [1.5, 0.0, 0.5]
    >>> class_weights(np.array([0, 2, 2, 2]), 2, 0.25).tolist()
    [1.0, 1.0, 0.25]
    """
    if background_weight != BALANCED:
        return np.append(np.ones(num_actions), float(background_weight))
    count = np.bincount(targets, minlength=num_actions + 1)
    inverse = np.where(count > 0, 1.0 / np.maximum(count, 1), 0.0)
    return np.asarray(inverse * (np.count_nonzero(count) / inverse.sum()), np.float64)
