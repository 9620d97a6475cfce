"""The view of BinEgo-360's leaderboard: videos cut into bins of ten seconds."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tsmfeat.errors import InputError
from tsmfeat.formats.binego360_bins import Piece, cut_prediction, cut_truth, name_bin
from tsmfeat.values.annotations import NO_SCENE, Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary

_Cutter = Callable[[float, float], Iterator[Piece]]


class BinnedView(NamedTuple):
    """Predictions and annotations in bins, and the predicted pieces in bins that have no truth."""

    predictions: Predictions
    annotations: Annotations
    num_outside: int


def cut_into_bins(predictions: Predictions, annotations: Annotations) -> BinnedView:
    """Cut videos into bins of ten seconds, each a video of its own named ``{video}_{b}_{b+10}``.

    True pieces shorter than 0.5 s are left out, all bounds are rounded to one decimal. As on the leaderboard a bin
    exists only if a true piece lies in it: what is predicted elsewhere in an annotated video is left out and counted.
    Predictions in videos that the annotations lack stay as they are.

    Parameters
    ----------
    predictions, annotations
        In seconds of whole videos, or pieces of them; cutting once more changes no piece.

    Returns
    -------
    BinnedView
        Rows keep their order, and with it the rule of ties. Durations, subsets and scenes do not apply to bins.

    Raises
    ------
    InputError
        No true piece is long enough, or an end is not finite.

    Notes
    -----
    ``s7_tal_golden_in_10s.py`` of x360dataset/x360dataset-kit. Edges of bins are free matches, so numbers of the two
    units are not comparable.

    Examples
    --------
    >>> actions, none = Vocabulary(("walk",)), Vocabulary(())
    >>> truth = Annotations(("a",), actions, Segments([0], [0], [8.0], [15.0], [1.0]), [20.0], ("",), [-1], none)
    >>> found = Predictions(("a",), actions, Segments([0], [0], [8.5], [25.0], [0.9]))
    >>> binned = cut_into_bins(found, truth)
    >>> binned.annotations.video_ids, binned.predictions.segments.end.tolist(), binned.num_outside
    (('a_0_10', 'a_10_20'), [10.0, 20.0], 1)
    """
    bin_of: dict[str, int] = {}
    truth_rows, truth_bins = _cut(annotations.segments, annotations.video_ids, cut_truth)
    if not truth_rows:
        raise InputError("no true segment reaches 0.5 s within a bin; there is nothing to score", "use --unit video")
    for name in truth_bins:
        bin_of.setdefault(name, len(bin_of))
    truth = _collect(annotations.segments, truth_rows, [bin_of[name] for name in truth_bins])
    return _bin_predictions(predictions, annotations, bin_of, truth)


def _bin_predictions(
    predictions: Predictions, annotations: Annotations, bin_of: Mapping[str, int], truth: Segments
) -> BinnedView:
    num_bins = len(bin_of)
    binned = Annotations(
        tuple(bin_of),
        annotations.vocabulary,
        truth,
        np.full(num_bins, np.nan),
        ("",) * num_bins,
        np.full(num_bins, NO_SCENE, np.int32),
        Vocabulary(()),
        annotations.num_dropped,
        annotations.num_ambiguous,
    )
    known = set(annotations.video_ids)
    rows, names = _cut(predictions.segments, predictions.video_ids, cut_prediction)
    is_known = [name in known for name in predictions.video_ids]
    # A video without annotations has no bins: its pieces keep names that no truth has.
    ids = dict(bin_of)
    kept_rows, places = [], []
    for row, name in zip(rows, names, strict=True):
        if name in bin_of or not is_known[predictions.segments.video[row[0]]]:
            kept_rows.append(row)
            places.append(ids.setdefault(name, len(ids)))
    segments = _collect(predictions.segments, kept_rows, places)
    found = replace(
        predictions,
        video_ids=tuple(ids),
        segments=segments,
        scene_vocabulary=Vocabulary(()),
        scene_scores=None,
    )
    return BinnedView(found, binned, len(rows) - len(kept_rows))


def _cut(
    segments: Segments, video_ids: tuple[str, ...], cutter: _Cutter
) -> tuple[list[tuple[int, float, float]], list[str]]:
    """Return (row, start, end) of each piece, and the name of its bin."""
    if not (np.isfinite(segments.start).all() and np.isfinite(segments.end).all()):
        raise InputError("segments with ends that are not finite cannot be cut into bins", "use --protocol paper")
    rows, names = [], []
    columns = (segments.video.tolist(), segments.start.tolist(), segments.end.tolist())
    for row, (video, start, end) in enumerate(zip(*columns, strict=True)):
        for first, left, right in cutter(start, end):
            rows.append((row, left, right))
            names.append(name_bin(video_ids[video], first))
    return rows, names


def _collect(segments: Segments, pieces: list[tuple[int, float, float]], videos: list[int]) -> Segments:
    rows = np.array([row for row, _, _ in pieces], np.int64)
    bounds = np.array([(left, right) for _, left, right in pieces], np.float64).reshape(-1, 2)
    return Segments(np.array(videos, np.int32), segments.label[rows], bounds[:, 0], bounds[:, 1], segments.score[rows])
