"""Probabilities as sure as they are right: one temperature, chosen on intervals that heads were not fitted on."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tsmfeat.heads.model import HeadParameters
from tsmfeat.heads.prediction import score_actions
from tsmfeat.heads.shares import multi_hot_targets
from tsmfeat.heads.targets import interval_targets
from tsmfeat.heads.temperature import apply_activation, fit_temperature, log_loss
from tsmfeat.metrics.calibration import expected_calibration_error
from tsmfeat.values.annotations import Annotations
from tsmfeat.workflows.inference import GatheredFeatures


class Calibration(NamedTuple):
    """A temperature, and what it does to the scores that chose it.

    Attributes
    ----------
    temperature
        What the actions' scores are divided by.
    record
        JSON-able: the temperature, the intervals it was chosen on, and on these the expected calibration error and the
        log-loss, before and after.
    """

    temperature: float
    record: dict[str, Any]


def calibrate(scores: npt.NDArray[np.float32], targets: npt.NDArray[np.float32], activation: str) -> Calibration:
    """Choose the temperature of the smallest log-loss.

    Parameters
    ----------
    scores
        float32 (N, C + 1), N > 0: of `tsmfeat.heads.prediction.score_actions`.
    targets
        float32 (N, C + 1), of `answer_targets`.
    activation
        Of the heads.

    Returns
    -------
    Calibration

    Examples
    --------
    >>> sure = np.log(np.float32([[9.0, 1.0]] * 4))
    >>> found = calibrate(sure, np.float32([[1, 0]] * 3 + [[0, 1]]), "softmax")
    >>> round(found.temperature, 2), [round(error, 2) for error in found.record["calibration_error"]]
    (2.0, [0.15, 0.0])
    """
    temperature = fit_temperature(scores, targets, activation)
    pairs = [
        (
            calibration_error(apply_activation(divided, activation), targets, activation),
            log_loss(divided, targets, activation),
        )
        for divided in (scores.astype(np.float64), scores.astype(np.float64) / temperature)
    ]
    record = {
        "temperature": temperature,
        "num_intervals": len(scores),
        "calibration_error": [error for error, _ in pairs],
        "log_loss": [loss for _, loss in pairs],
    }
    return Calibration(temperature, record)


def calibrate_heads(
    truth: Annotations, held_out: Sequence[tuple[HeadParameters, GatheredFeatures]], min_overlap: float
) -> Calibration:
    """Choose one temperature for heads by intervals of annotated videos that they were not fitted on.

    Parameters
    ----------
    truth
        Annotations of all the videos.
    held_out
        Heads of one activation, each with the features of videos it did not see: one pair, or one a fold.
    min_overlap
        As in `tsmfeat.heads.options.HeadOptions`.
    """
    activation = held_out[0][0].activation
    scores = [score_actions(heads, its.embeddings, its.row_offset, its.views) for heads, its in held_out]
    targets = [answer_targets(truth, its, activation, min_overlap) for _, its in held_out]
    return calibrate(np.concatenate(scores), np.concatenate(targets), activation)


def calibration_error(probabilities: npt.NDArray[Any], targets: npt.NDArray[np.float32], activation: str) -> float:
    """Return the expected calibration error of interval scores.

    With a softmax that of the best class of every interval, as Guo et al. have it; with a sigmoid every class of every
    interval is an answer, and its probability is how sure it is of a yes.

    Parameters
    ----------
    probabilities, targets
        (N, C + 1).
    activation
        ``"softmax"`` or ``"sigmoid"``.
    """
    if activation == "sigmoid":
        return expected_calibration_error(probabilities.ravel(), targets.ravel())
    best = probabilities.argmax(axis=1)
    rows = np.arange(len(best))
    # Sums of rounded exponentials can pass 1 by a hair.
    return expected_calibration_error(np.minimum(probabilities[rows, best], 1.0), targets[rows, best])


def answer_targets(
    truth: Annotations, features: GatheredFeatures, activation: str, min_overlap: float
) -> npt.NDArray[np.float32]:
    """Return what each interval is to be called, float32 (N, C + 1) of 0 and 1.

    Parameters
    ----------
    truth
        Of all the videos.
    features
        Of annotated videos.
    activation
        With a sigmoid several actions may be right.
    min_overlap
        As in `tsmfeat.heads.options.HeadOptions`.
    """
    place = truth, features.video_ids, features.row_offset, features.step_seconds, min_overlap
    if activation == "sigmoid":
        return multi_hot_targets(*place)
    return np.eye(len(truth.vocabulary) + 1, dtype=np.float32)[interval_targets(*place)]
