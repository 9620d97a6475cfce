"""Whether probabilities are as sure as they are right."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError

NUM_BINS = 15


class ConfidenceBins(NamedTuple):
    """Answers by how sure they were; a place of every array for each bin, from 0 to 1.

    Attributes
    ----------
    num_answers
        int64 (M,): answers.
    confidence, accuracy
        float64 (M,): their mean confidence, and the share of them that are right; 0 in an empty bin.
    """

    num_answers: npt.NDArray[np.int64]
    confidence: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]


def bin_confidences(confidence: npt.ArrayLike, correct: npt.ArrayLike, num_bins: int = NUM_BINS) -> ConfidenceBins:
    """Sort answers into bins of equal width, bin m of M holding confidences in ((m - 1)/M, m/M]; 0 is in the first.

    Parameters
    ----------
    confidence
        (N,) in [0, 1].
    correct
        (N,): whether each is right, or a share in [0, 1].
    num_bins
        M, 1 or more.

    Raises
    ------
    InputError
        Arrays of different lengths, or a confidence outside [0, 1].

    Examples
    --------
    >>> bin_confidences([0.2, 0.5, 0.7, 1.0], [0, 1, 0, 1], num_bins=2).accuracy.tolist()
    [0.5, 0.5]
    """
    sure: npt.NDArray[np.float64] = np.asarray(confidence, np.float64)
    right: npt.NDArray[Any] = np.asarray(correct, np.float64)
    if sure.ndim != 1 or sure.shape != right.shape:
        raise InputError(f"confidences of shape {sure.shape} and answers of shape {right.shape}; one each", "")
    outside = ~((sure >= 0) & (sure <= 1))
    if outside.any():
        raise InputError(f"confidence {sure[np.argmax(outside)]:g}: it is a probability, in [0, 1]", "apply a softmax")
    place = np.maximum(np.ceil(sure * num_bins).astype(np.int64) - 1, 0)
    count = np.bincount(place, minlength=num_bins)
    means = [np.bincount(place, of, num_bins) / np.maximum(count, 1) for of in (sure, right)]
    return ConfidenceBins(count, *means)


def expected_calibration_error(confidence: npt.ArrayLike, correct: npt.ArrayLike, num_bins: int = NUM_BINS) -> float:
    """Return by how much confidence and accuracy differ, bin by bin, on average over the answers.

    Parameters
    ----------
    confidence, correct, num_bins
        As in `bin_confidences`.

    Returns
    -------
    float
        In [0, 1]; NaN without any answer.

    Notes
    -----
    Guo et al., On Calibration of Modern Neural Networks, ICML 2017, equation 3, with 15 bins as there.

    Examples
    --------
    >>> expected_calibration_error([0.9, 0.9, 0.9, 0.9], [1, 1, 1, 0]) == 0.9 - 0.75
    True
    """
    bins = bin_confidences(confidence, correct, num_bins)
    if not bins.num_answers.sum():
        return float("nan")
    return float(np.average(np.abs(bins.confidence - bins.accuracy), weights=bins.num_answers))
