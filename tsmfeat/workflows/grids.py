"""The intervals of annotated videos, without any features."""

import numpy as np
import numpy.typing as npt

from tsmfeat.values.annotations import Annotations
from tsmfeat.values.intervals import IntervalGrid

# In steps: an end this little beyond a whole number of intervals asks for no further one.
_TOLERANCE = 1e-9


def annotated_offsets(truth: Annotations, step_seconds: float) -> npt.NDArray[np.int64]:
    """Return the row offsets of the grids of annotated videos.

    Parameters
    ----------
    truth
        V videos. One of unknown duration is taken to last until the interval that holds the end of its last segment is
        over.
    step_seconds
        The grid's step t.

    Returns
    -------
    int64 (V + 1,)
        Video v owns rows ``offset[v]:offset[v + 1]``.

    Examples
    --------
    >>> from tsmfeat.values.segments import Segments
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> two = Segments([0, 1], [0, 0], [0.0, 0.0], [1.0, 1.1], [1.0, 1.0])
    >>> truth = Annotations(
    ...     ("a", "b"), Vocabulary(("run",)), two, [2.9, np.nan], ("", ""), [-1, -1], Vocabulary(())
    ... )
    >>> annotated_offsets(truth, 0.5).tolist()
    [0, 5, 8]
    """
    last = np.zeros(len(truth.video_ids))
    np.maximum.at(last, truth.segments.video, truth.segments.end)
    # A quotient that overflows is one that the grid refuses.
    with np.errstate(over="ignore"):
        whole = np.ceil(last / step_seconds - _TOLERANCE) * step_seconds
    seconds = np.where(np.isnan(truth.duration_seconds), whole, truth.duration_seconds)
    return np.cumsum([0, *(IntervalGrid(float(length), step_seconds).count for length in seconds)], dtype=np.int64)
