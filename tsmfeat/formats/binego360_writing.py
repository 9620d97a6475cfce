"""Annotations and predictions to the bytes of BinEgo-360 CSV, in bins of ten seconds or with a row a video."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from tsmfeat.errors import InputError
from tsmfeat.formats.binego360_bins import Piece, all_bins, cut_prediction, cut_truth, name_bin
from tsmfeat.formats.binego360_cells import format_cell
from tsmfeat.formats.classes import ClassList
from tsmfeat.formats.tables import format_table
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary

# What the challenge's kit writes where nothing else is known.
_DEFAULT_USAGE = "Private"
_LONGEST_SECONDS = 1e6
_IDS_AS_NAMES = ClassList(Vocabulary(()))

Cells = dict[str, list[tuple[float, ...]]]


def encode_annotations(
    annotations: Annotations, classes: ClassList | None = None, *, binned: bool = True
) -> tuple[bytes, tuple[str, ...]]:
    """Return annotations as a solution, ``id,label,Usage``, and what it leaves out.

    Parameters
    ----------
    annotations
        What to write; a video without a subset has the Usage ``Private``.
    classes
        Ids of the names; None: names are ids as text.
    binned
        Cut at multiples of ten seconds, as the challenge's kit does: pieces under half a second are left out, ends
        rounded to one decimal, and only bins with a piece have a row. Otherwise a row a video, exactly as it is.

    Raises
    ------
    InputError
        A name without an id, or a segment that is not finite or, to be cut, longer than a million seconds.
    """
    rows = _numbered(annotations.segments, annotations.video_ids, annotations.vocabulary, classes, scored=False)
    usage = {
        name: subset or _DEFAULT_USAGE for name, subset in zip(annotations.video_ids, annotations.subset, strict=True)
    }
    if binned:
        cells, video_of, num_whole = _cut(rows, cut_truth)
    else:
        cells, video_of, num_whole = _group(rows, annotations.video_ids)
    table = [[name, format_cell(cell), usage[video_of[name]]] for name, cell in cells.items()]
    told = _tell(len(annotations.segments) - num_whole, "segments without a piece of half a second") if binned else ()
    return format_table(("id", "label", "Usage"), table), told


def encode_predictions(
    predictions: Predictions,
    classes: ClassList | None = None,
    sample_ids: Sequence[str] | None = None,
    *,
    binned: bool = True,
) -> tuple[bytes, tuple[str, ...]]:
    """Return predictions as a submission, ``id,prediction``, and what it leaves out.

    Parameters
    ----------
    predictions
        What to write.
    classes
        Ids of the names; None: names are ids as text.
    sample_ids
        Those of a sample submission: exactly these rows are written, in their order. They say whether there are bins.
    binned
        Without a sample: cut at multiples of ten seconds and rounded to one decimal, with a row a bin that has a piece;
        or a row a video, exactly as it is.

    Raises
    ------
    InputError
        A name without an id, or a segment that is not finite or, to be cut, longer than a million seconds.
    """
    binned = binned if sample_ids is None else all_bins(sample_ids)
    rows = _numbered(predictions.segments, predictions.video_ids, predictions.vocabulary, classes, scored=True)
    if binned:
        cells, _, num_whole = _cut(rows, cut_prediction)
    else:
        cells, _, num_whole = _group(rows, predictions.video_ids)
    told = (
        _tell(len(predictions.segments) - num_whole, "segments that rounding leaves without length") if binned else ()
    )
    if sample_ids is not None:
        told += _tell(_count_outside(cells, sample_ids), "pieces in rows that the sample does not have")
        cells = {name: cells.get(name, []) for name in sample_ids}
    table = [[name, format_cell(cell)] for name, cell in cells.items()]
    return format_table(("id", "prediction"), table), told


_NumberedRow = tuple[str, tuple[float, ...]]


def _numbered(
    segments: Segments, video_ids: Sequence[str], vocabulary: Vocabulary, classes: ClassList | None, *, scored: bool
) -> list[_NumberedRow]:
    """Return (video id, (class id, start, end[, score])), videos in their order."""
    _require_finite(segments)
    used = np.unique(segments.label).tolist()
    id_of = {label: (classes or _IDS_AS_NAMES).id_of(vocabulary.names[label]) for label in used}
    order = np.argsort(segments.video, kind="stable")
    ordered = segments.take(order)
    columns = [ordered.start.tolist(), ordered.end.tolist()] + ([ordered.score.tolist()] if scored else [])
    labels = [id_of[label] for label in ordered.label.tolist()]
    return [
        (video_ids[video], row)
        for video, row in zip(ordered.video.tolist(), zip(labels, *columns, strict=True), strict=True)
    ]


def _require_finite(segments: Segments) -> None:
    finite = np.isfinite(segments.start) & np.isfinite(segments.end) & np.isfinite(segments.score)
    if not finite.all():
        raise InputError(
            f"row {int(np.argmin(finite))} has a start, end or score that is not finite; a cell holds plain numbers",
            'read the file with invalid="drop", or leave such rows out',
        )


def _group(rows: Iterable[_NumberedRow], video_ids: Sequence[str]) -> tuple[Cells, dict[str, str], int]:
    if all_bins(video_ids):
        raise InputError(
            f"the video ids all look like those of bins, such as {video_ids[0]!r}: a table of videos would be read as "
            "one of bins",
            "write them in bins, or in another format",
        )
    cells: Cells = {name: [] for name in video_ids}
    for video_id, row in rows:
        cells[video_id].append(row)
    return cells, {name: name for name in video_ids}, sum(map(len, cells.values()))


def _cut(
    rows: Iterable[_NumberedRow], cut: Callable[[float, float], Iterator[Piece]]
) -> tuple[Cells, dict[str, str], int]:
    """Return the pieces by bin, the video of each bin, and the number of segments that have a piece."""
    cells: Cells = {}
    video_of = {}
    num_whole = 0
    for video_id, (class_id, start, end, *score) in rows:
        if end - start > _LONGEST_SECONDS:
            raise InputError(
                f"a segment of video {video_id!r} lasts {end - start:.0f} s; to be cut it lasts at most a million",
                "times are seconds: convert milliseconds or frames first",
            )
        pieces = list(cut(start, end))
        num_whole += bool(pieces)
        for first, left, right in pieces:
            name = name_bin(video_id, first)
            video_of[name] = video_id
            cells.setdefault(name, []).append((class_id, left, right, *score))
    return cells, video_of, num_whole


def _count_outside(cells: Mapping[str, list[tuple[float, ...]]], sample_ids: Sequence[str]) -> int:
    wanted = set(sample_ids)
    return sum(len(cell) for name, cell in cells.items() if name not in wanted)


def _tell(number: int, what: str) -> tuple[str, ...]:
    return (f"{number} {what}",) if number else ()
