"""Groups of truths by what may make them hard: their length, their share of the video, how many there are."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsmfeat.metrics.matching import Indexes
from tsmfeat.values.annotations import Annotations

Floats = npt.NDArray[np.float64]

LENGTH, COVERAGE, NUM_INSTANCES = "length", "coverage", "num-instances"
_NAMES = ("XS", "S", "M", "L", "XL")
_SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
_INFINITE = float("inf")

# The edges of DETAD's scripts.
_EDGES = {
    "activitynet": {
        LENGTH: (0, 30, 60, 120, 180, _INFINITE),
        COVERAGE: (0, 0.2, 0.4, 0.6, 0.8, 1),
        NUM_INSTANCES: (-1, 1, 4, 8, _INFINITE),
    },
    "thumos14": {
        LENGTH: (0, 3, 6, 12, 18, _INFINITE),
        COVERAGE: (0, 0.02, 0.04, 0.06, 0.08, 1),
        NUM_INSTANCES: (-1, 1, 40, 80, _INFINITE),
    },
}


@dataclass(frozen=True, eq=False)
class Characteristic:
    """Truths dealt out to buckets.

    Parameters
    ----------
    name
        `LENGTH` in seconds, `COVERAGE` (length by duration), or `NUM_INSTANCES` (truths in the video, of any
        class).
    edges
        B + 1 rising numbers; bucket b holds values above ``edges[b]`` and at most ``edges[b + 1]``, the first bucket
        its lower edge too.
    bucket
        int64 (G,): bucket of each truth.
    """

    name: str
    edges: tuple[float, ...]
    bucket: Indexes

    @property
    def names(self) -> tuple[str, ...]:
        """What the buckets are called, from the least up."""
        return _NAMES[: len(self.edges) - 1]

    @property
    def num_truths(self) -> Indexes:
        """Truths in each bucket, int64 (B,)."""
        return np.bincount(self.bucket, minlength=len(self.edges) - 1)


def usable_truths(annotations: Annotations) -> npt.NDArray[np.bool_]:
    """Return which truths can be diagnosed: finite, of positive length, and no longer than their video.

    Examples
    --------
    >>> from tsmfeat.values.segments import Segments
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> three = Segments([0, 0, 0], [0, 0, 0], [0.0, 2.0, 1.0], [1.0, 2.0, 99.0], [1.0] * 3)
    >>> truth = Annotations(("a",), Vocabulary(("run",)), three, [9.0], ("",), [-1], Vocabulary(()))
    >>> usable_truths(truth).tolist()
    [True, False, False]
    """
    segments = annotations.segments
    with np.errstate(invalid="ignore"):  # infinite ends
        length = segments.end - segments.start
    inside = ~(length / annotations.duration_seconds[segments.video] > 1)  # an unknown duration leaves all inside
    usable: npt.NDArray[np.bool_] = np.isfinite(length) & (length > 0) & inside
    return usable


def deal_to_buckets(annotations: Annotations, keep: npt.NDArray[np.bool_], buckets: str) -> tuple[Characteristic, ...]:
    """Return the characteristics that can be told.

    Parameters
    ----------
    annotations
        All truths: the number of instances counts those that are left out too.
    keep
        bool: which of them are wanted.
    buckets
        One of `tsmfeat.metrics.options.BUCKETS`: the edges of DETAD for a data set, or the fifths of these truths.

    Returns
    -------
    tuple of Characteristic
        Without `COVERAGE` where the duration of a video with truth is unknown.
    """
    segments = annotations.segments.take(keep)
    length = segments.end - segments.start
    values = {
        LENGTH: length,
        COVERAGE: length / annotations.duration_seconds[segments.video],
        NUM_INSTANCES: _count_instances(annotations)[keep],
    }
    return tuple(
        _deal(name, numbers, _EDGES[buckets][name] if buckets in _EDGES else _fifths(numbers))
        for name, numbers in values.items()
        if np.isfinite(numbers).all()
    )


def _count_instances(annotations: Annotations) -> Floats:
    video = annotations.segments.video
    counts: Floats = np.bincount(video)[video].astype(np.float64)
    return counts


def _fifths(values: Floats) -> tuple[float, ...]:
    # Many equal values leave fewer than five groups, a single value one.
    edges = np.unique(np.quantile(values, _SHARES)).tolist()
    return tuple(edges) if len(edges) > 1 else (edges[0], edges[0])


def _deal(name: str, values: Floats, edges: tuple[float, ...]) -> Characteristic:
    bucket = np.searchsorted(np.array(edges), values, side="left") - 1
    return Characteristic(name, edges, np.maximum(bucket, 0))
