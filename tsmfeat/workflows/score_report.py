"""What scoring found, and its form in JSON."""

from dataclasses import asdict, dataclass, field
from typing import Any

from tsmfeat.metrics.average_precision import Evaluation
from tsmfeat.metrics.scenes import SceneAccuracy
from tsmfeat.values.predictions import Predictions
from tsmfeat.workflows.fusion_comparison import FusionScore
from tsmfeat.workflows.gamma_choice import PriorReport
from tsmfeat.workflows.learning import LearnedWeights
from tsmfeat.workflows.measures import Measured
from tsmfeat.workflows.protocol_comparison import Evaluations
from tsmfeat.workflows.score_options import ScoreOptions
from tsmfeat.workflows.uncertainty import Uncertainty

SCORE_PARTS = ("annotations", "predictions", "localize", "fuse", "evaluate")
"""The parts of scoring whose time is told; what else was asked for is the rest."""


@dataclass(frozen=True, eq=False)
class ScoreReport:
    """What `tsmfeat.workflows.score` found.

    Parameters
    ----------
    evaluation
        AP per class and threshold, and what to know about it.
    scenes
        Accuracy of predicted scenes.
    predictions
        The fused segments that were evaluated.
    sources, weights
        What was fused, and the weight of each (their sum is 1).
    options
        As resolved.
    seconds
        Wall time.
    uncertainty
        Intervals, tests against other files and simulated test sets, where they were asked for.
    prior
        How much what is known of whole videos counts, and what it is worth; None without a prior.
    learned
        How the weights were learned on the very annotations that are scored on; None where they were given.
    fusions
        Every fusion of the sources, where that was asked for.
    measures
        What was measured beside AP, by name.
    seconds_by_part
        Wall time of each of `SCORE_PARTS`: reading annotations; reading prediction files and interval scores and
        running heads; laying a prior on and making segments; fusing; AP and scene accuracy.
    num_outside
        Predicted pieces in bins of annotated videos that hold no true piece: left out by the unit ``bin10``, false by
        ``bin10-all``.
    protocols
        The evaluations under ``options.protocols``, by name.
    tied_map_range
        Average mAP with equal scores in the order of the file and in its reverse; None where few are equal.
    """

    evaluation: Evaluation
    scenes: SceneAccuracy
    predictions: Predictions
    sources: tuple[str, ...]
    weights: tuple[float, ...]
    options: ScoreOptions
    seconds: float
    uncertainty: Uncertainty = field(default_factory=Uncertainty)
    prior: PriorReport | None = None
    learned: LearnedWeights | None = None
    fusions: tuple[FusionScore, ...] = ()
    measures: dict[str, Measured] = field(default_factory=dict)
    seconds_by_part: dict[str, float] = field(default_factory=dict)
    num_outside: int = 0
    protocols: Evaluations = field(default_factory=dict)
    tied_map_range: tuple[float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``tsmfeat score --json``."""
        return {
            **self.evaluation.to_dict(),
            "unit": self.options.unit,
            "num_outside": self.num_outside,
            "tied_map_range": None if self.tied_map_range is None else list(self.tied_map_range),
            "protocols": {name: found.to_dict() for name, found in self.protocols.items()},
            "sources": list(self.sources),
            "weights": list(self.weights),
            "scene_accuracy": self.scenes.top1,
            "scene_top5": self.scenes.top5,
            "scene_mean_class_accuracy": self.scenes.mean_class,
            "scene_class_accuracy": dict(zip(self.scenes.classes, self.scenes.class_accuracy, strict=True)),
            "num_scene_videos": self.scenes.num_videos,
            "video_prior": None if self.prior is None else self.prior.to_dict(),
            "learned": None if self.learned is None else self.learned.to_dict(),
            "fusions": [found.to_dict() for found in self.fusions],
            "measures": {name: measured.to_dict() for name, measured in self.measures.items()},
            "options": asdict(self.options),
            "seconds": self.seconds,
            "seconds_by_part": self.seconds_by_part,
            **self.uncertainty.to_dict(),
        }
