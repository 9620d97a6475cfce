"""Temporal overlap of two segments."""

from numba import njit


@njit(cache=True, nogil=True)
def tiou(start_a: float, end_a: float, start_b: float, end_b: float) -> float:
    """Return the temporal intersection over union of two segments.

    Parameters
    ----------
    start_a, end_a, start_b, end_b
        float64, any unit of time; half-open.

    Returns
    -------
    float
        In 0..1 where both ends follow their starts; 0 wherever the union is not positive, so that two zero-length
        segments, or a reversed one and its mirror, never match.

    Examples
    --------
    >>> tiou(0.0, 10.0, 2.0, 10.0)
    0.8
    >>> tiou(3.0, 3.0, 3.0, 3.0)
    0.0
    """
    intersection = max(0.0, min(end_a, end_b) - max(start_a, start_b))
    union = (end_a - start_a) + (end_b - start_b) - intersection
    if not union > 0.0:
        return 0.0
    return intersection / union
