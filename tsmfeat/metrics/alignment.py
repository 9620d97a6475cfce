"""Predictions and truth in one numbering of classes and videos, under the rules of a protocol."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import InputError, did_you_mean
from tsmfeat.kernels.ranking import Detections, Pieces
from tsmfeat.kernels.repeats import mark_repeats
from tsmfeat.metrics.protocols import Protocol, TruthFilter
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments

_UNKNOWN = -1
_MILLISECOND = 1e-3
_SMALL = 2**16

Indexes = npt.NDArray[np.int64]
Ids = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class GroupedTruth:
    """The truth class by class, within a class by video, within a video in the order of the file.

    Parameters
    ----------
    classes
        int64 (K,): the vocabulary's numbers of the classes with truth, in the protocol's order.
    names
        Their names.
    rows
        int64 (G,): rows of the annotations' segments.
    offset
        int64 (K + 1,): class k owns ``rows[offset[k]:offset[k + 1]]``.
    pieces
        The segments of those rows.
    """

    classes: Indexes
    names: tuple[str, ...]
    rows: Indexes
    offset: Indexes
    pieces: Pieces


def group_truth(annotations: Annotations, protocol: Protocol) -> GroupedTruth:
    """Return the truth that a protocol counts, class by class.

    Raises
    ------
    InputError
        No segment is there, or none is left by the protocol's filter.
    """
    segments = annotations.segments
    kept = kept_truths(segments, protocol.gt_filter)
    if len(kept) == 0:
        left = f"; protocol {protocol.name} leaves out {len(segments)}" if len(segments) else ""
        raise InputError(
            f"no segment among the {len(annotations.video_ids)} annotated videos{left}; there is nothing to score "
            "against",
            "check the subset: tsmfeat inspect lists those of an annotation file",
        )
    classes = _ordered_classes(segments.label[kept], protocol)
    if protocol.gt_tie == "earlier" and protocol.match == "det-greedy":
        kept = kept[::-1]  # the kernel takes the later of equals
    place_of_label = np.zeros(int(classes.max()) + 1, np.int64)
    place_of_label[classes] = np.arange(len(classes))
    group = place_of_label[segments.label[kept]]
    rows = kept[_by_group(group, segments.video[kept])]
    offset = np.concatenate(([0], np.cumsum(np.bincount(group, minlength=len(classes)))))
    names = tuple(annotations.vocabulary.names[index] for index in classes)
    pieces = Pieces(segments.video[rows], segments.start[rows], segments.end[rows])
    return GroupedTruth(classes, names, rows, offset, pieces)


def kept_truths(segments: Segments, rule: TruthFilter) -> Indexes:
    """Return the rows of truth that a filter of `Protocol` keeps, in order.

    Examples
    --------
    >>> rows = Segments([0, 0, 0], [0, 0, 0], [1.0, 1.0, 3.0], [2.0, 2.0005, 3.0], [1.0, 1.0, 1.0])
    >>> kept_truths(rows, "none").tolist(), kept_truths(rows, "repeats").tolist()
    ([0, 1, 2], [0])
    """
    if rule == "none":
        return np.arange(len(segments))
    with np.errstate(invalid="ignore"):
        duration = segments.end - segments.start
    kept = np.flatnonzero(~(duration <= 0) if rule == "repeats" else ~(duration < _MILLISECOND))
    order = kept[np.lexsort((segments.video[kept], segments.label[kept]))]
    label, video = segments.label[order], segments.video[order]
    changes = np.flatnonzero((np.diff(label) != 0) | (np.diff(video) != 0)) + 1
    offset = np.concatenate(([0], changes, [len(order)]))
    with np.errstate(invalid="ignore"):
        repeats = mark_repeats(offset, segments.start[order], segments.end[order], _MILLISECOND)
    return np.sort(order[~repeats])


def _ordered_classes(label: Ids, protocol: Protocol) -> Indexes:
    first = np.full(int(label.max()) + 1, len(label))
    first[label[::-1]] = np.arange(len(label))[::-1]  # the last one written is the first that occurs
    labels = np.flatnonzero(first < len(label))
    return labels if protocol.class_order == "vocabulary" else labels[np.argsort(first[labels])]


def _by_group(group: Indexes, video: Ids) -> Indexes:
    """Return the order by group, then video, then place; numpy sorts small integers in linear time."""
    small = group.astype(np.uint16) if len(group) and group.max() < _SMALL else group
    if (video[1:] >= video[:-1]).all():
        return np.argsort(small, kind="stable")
    order = np.argsort(video, kind="stable")
    return order[np.argsort(small[order], kind="stable")]


def align_predictions(
    predictions: Predictions, annotations: Annotations, truth: GroupedTruth, protocol: Protocol
) -> Detections:
    """Return predictions in the numbering of the truth.

    Raises
    ------
    InputError
        A predicted label has no truth, and the protocol calls that an error.
    """
    num_classes = len(truth.classes)
    place_of_name = {name: place for place, name in enumerate(truth.names)}
    if protocol.unknown == "error":
        _refuse_unknown(predictions, truth, protocol)
    if protocol.unknown == "collide":
        # A label without truth keeps its number, where a class with truth may already stand.
        left = [(name, place) for place, name in enumerate(annotations.vocabulary.names[:num_classes])]
        place_of_name = dict(left) | place_of_name
    place_of_video = {name: place for place, name in enumerate(annotations.video_ids)}
    label_map = np.array([place_of_name.get(name, num_classes) for name in predictions.vocabulary.names], np.int32)
    video_map = np.array([place_of_video.get(name, _UNKNOWN) for name in predictions.video_ids], np.int32)
    segments = predictions.segments
    columns = segments.start, segments.end, segments.score
    if protocol.outside_video != "drop":
        return Detections(segments.label, segments.video, *columns, label_map, video_map)
    label = label_map[segments.label]
    label[video_map[segments.video] == _UNKNOWN] = num_classes
    return Detections(label, segments.video, *columns, np.arange(num_classes + 1, dtype=np.int32), video_map)


def _refuse_unknown(predictions: Predictions, truth: GroupedTruth, protocol: Protocol) -> None:
    used = np.unique(predictions.segments.label).tolist()
    unknown = [name for name in (predictions.vocabulary.names[label] for label in used) if name not in truth.names]
    if unknown:
        raise InputError(
            f"{len(unknown)} predicted classes have no truth, {unknown[0]!r} the first; protocol {protocol.name} "
            "calls that an error",
            did_you_mean(unknown[0], truth.names) or "choose a protocol that ignores them",
        )
