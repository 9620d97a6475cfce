"""Every fusion on the same models: which one pays."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tsmfeat.errors import InputError
from tsmfeat.fusion.fusing import fuse
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.grading import Judge


@dataclass(frozen=True)
class FusionScore:
    """What one fusion is worth.

    Parameters
    ----------
    name
        What it is called in tables.
    fusion
        Its options; None: a model as it is.
    map
        Mean AP at each threshold.
    final_score
        Their mean.
    num_segments
        Segments it leaves.
    """

    name: str
    fusion: FusionOptions | None
    map: tuple[float, ...]
    final_score: float
    num_segments: int

    def to_dict(self) -> dict[str, Any]:
        """Return an entry of the JSON list ``"fusions"``."""
        return asdict(self) | {"map": list(self.map)}


def list_fusions() -> dict[str, FusionOptions]:
    """Return the fusions that are compared, by name."""
    listed = {f"paper, no union, {missing}": FusionOptions(union="none", missing=missing) for missing in _MISSING}
    for missing in _MISSING:
        for tiou in (0.3, 0.5, 0.7):
            listed[f"paper {tiou:g}, {missing}"] = FusionOptions(fusion_tiou=tiou, missing=missing)
    listed["paper 0.5, components"] = FusionOptions(union="components")
    for tiou in (0.3, 0.5, 0.7):
        listed[f"wbf {tiou:g}"] = FusionOptions("wbf", tiou)
    for tiou in (0.3, 0.5, 0.7):
        listed[f"nms {tiou:g}"] = FusionOptions("nms", tiou)
    for sigma in (0.3, 0.5):
        listed[f"soft-nms, sigma {sigma:g}"] = FusionOptions("soft-nms", sigma=sigma)
    return listed


_MISSING = ("zero", "present")


def compare_fusions(
    models: Sequence[Predictions],
    sources: Sequence[str],
    weights: Sequence[float],
    truth: Annotations,
    judge: Judge,
    progress: Progress,
) -> tuple[FusionScore, ...]:
    """Score every fusion of `list_fusions`, and the best model as it is.

    Parameters
    ----------
    models, sources, weights
        Predictions, what they are called, and their weights.
    truth
        The videos to score on.
    judge
        The protocol.
    progress
        Told of fusions that the scores do not allow.
    """
    alone = [_score(source, None, model, truth, judge) for source, model in zip(sources, models, strict=True)]
    best = max(alone, key=lambda found: found.final_score)
    rows = [FusionScore(f"best single: {best.name}", None, best.map, best.final_score, best.num_segments)]
    for name, fusion in list_fusions().items():
        try:
            rows.append(_score(name, fusion, fuse(models, weights, fusion), truth, judge))
        except InputError as error:
            progress.warn(f"{name}: not compared: {error.message}")
    return tuple(rows)


def _score(
    name: str, fusion: FusionOptions | None, found: Predictions, truth: Annotations, judge: Judge
) -> FusionScore:
    result = evaluate(found, truth, judge.protocol, judge.tiou_thresholds)
    return FusionScore(name, fusion, tuple(result.map.tolist()), result.final_score, len(found.segments))
