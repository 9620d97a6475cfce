"""What is measured beside AP, by name."""

from tsmfeat.metrics.frames import FrameScores, frame_scores
from tsmfeat.metrics.proposals import PROPOSAL_THRESHOLDS, AverageRecall, Variant, average_recall
from tsmfeat.metrics.recall import TopRecall, top_recall
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.workflows.score_options import ScoreOptions

Measured = AverageRecall | TopRecall | FrameScores
"""What a measure returns."""

_VARIANT_OF: dict[str, Variant] = {"ar": "activitynet", "ar-opentad": "opentad", "ar-mmaction2": "mmaction2"}


def take_measures(predictions: Predictions, annotations: Annotations, options: ScoreOptions) -> dict[str, Measured]:
    """Return what the measures named in the options found, in their order.

    Parameters
    ----------
    predictions, annotations
        What is scored; classes and videos are matched by name.
    options
        The names, the protocol, the tIoU thresholds (where none are given each measure has its own), and the length of
        a frame.

    Raises
    ------
    InputError
        No true segment, or durations are missing that a measure needs.
    """
    return {name: _take(name, predictions, annotations, options) for name in options.measures}


def _take(name: str, predictions: Predictions, annotations: Annotations, options: ScoreOptions) -> Measured:
    thresholds = options.tiou_thresholds
    match name:
        case "ar" | "ar-opentad" | "ar-mmaction2":
            variant = _VARIANT_OF[name]
            return average_recall(
                predictions, annotations, variant=variant, tiou_thresholds=thresholds or PROPOSAL_THRESHOLDS
            )
        case "top-kx":
            return top_recall(predictions, annotations, options.protocol, thresholds)
        case _:
            return frame_scores(predictions, annotations, options.frame_step_seconds)
