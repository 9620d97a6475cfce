"""Whether a file agrees with a store or with annotations: video ids, lengths, classes, specs."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tsmfeat.errors import ConfigurationError, did_you_mean
from tsmfeat.formats.binego360 import read_sample_ids
from tsmfeat.formats.binego360_bins import split_bin_id
from tsmfeat.formats.interval_scores import read_with_header, specs_in
from tsmfeat.formats.reading import read_annotations, read_predictions
from tsmfeat.formats.recognition import recognize_format
from tsmfeat.heads.checkpoint import load_heads
from tsmfeat.store.folders import output_files
from tsmfeat.store.reader import open_features
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.features import FeatureSpec
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.video.probing import probe_video
from tsmfeat.video.quality import MAX_MISSING_SECONDS, MAX_MISSING_SHARE
from tsmfeat.workflows.kinds import KIND_NAMES, recognize

# The format that a sample submission of BinEgo-360 is recognised as.
SAMPLE_FORMAT = "binego360"
# Ends are often rounded to a tenth of a second, which may pass the video's end.
_ROUNDING_SECONDS = 0.1
# Looking for the nearest name costs time: the first unknown ones show what went wrong.
_MOST_GUESSES = 20


@dataclass(frozen=True)
class Reference:
    """What files are compared with.

    Parameters
    ----------
    path
        Its place, for messages.
    durations
        Seconds by video id; NaN where unknown.
    spec
        Of a store.
    classes
        Of annotations.
    row_ids
        Of a sample submission.
    """

    path: str
    durations: dict[str, float]
    spec: FeatureSpec | None = None
    classes: Vocabulary | None = None
    row_ids: tuple[str, ...] = ()


def open_reference(against: str, stack: ExitStack) -> Reference:
    """Read what files are compared with.

    Parameters
    ----------
    against
        A feature store, annotations, or a sample submission.
    stack
        Keeps the store open.

    Raises
    ------
    ConfigurationError
        Something else.
    InputError
        It cannot be read.
    """
    path = Path(against)
    kind = recognize(path)
    if kind == "features":
        store = stack.enter_context(open_features(output_files(path) or path))
        lengths = dict(zip(store.video_ids, store.duration_seconds.tolist(), strict=True))
        return Reference(against, lengths, spec=store.spec)
    if kind == "annotations":
        truth = read_annotations(path)
        lengths = dict(zip(truth.video_ids, truth.duration_seconds.tolist(), strict=True))
        return Reference(against, lengths, classes=truth.vocabulary)
    if kind == "predictions" and recognize_format(path).format_name == SAMPLE_FORMAT:
        return Reference(against, {}, row_ids=read_sample_ids(path))
    raise ConfigurationError(
        f"--against {against}: {KIND_NAMES[kind]}; files are compared with a feature store, annotations or a sample",
        "name one of these",
    )


def compare(path: Path, kind: str, reference: Reference) -> list[str]:
    """Return where a readable file and the reference disagree.

    Parameters
    ----------
    path, kind
        The file and what it is; kinds that have nothing in common with the reference agree.
    reference
        What it is compared with.
    """
    if reference.row_ids:
        return _compare_row_ids(path, reference) if kind == "predictions" else []
    match kind:
        case "features":
            with open_features(output_files(path) or path) as store:
                found = _compare_spec(store.spec, reference)
                lengths = dict(zip(store.video_ids, store.duration_seconds.tolist(), strict=True))
                return found + ([] if reference.spec is not None else _compare_videos(lengths, reference))
        case "heads":
            heads = load_heads(path)
            return _compare_specs(heads.specs, reference) + _compare_classes(heads.vocabulary, reference)
        case "interval-scores":
            return _compare_interval_scores(path, reference)
        case "annotations":
            truth = read_annotations(path)
            lengths = dict(zip(truth.video_ids, truth.duration_seconds.tolist(), strict=True))
            return _compare_videos(lengths, reference) + _compare_rows(truth, reference)
        case "predictions":
            found_rows = read_predictions(path)
            lengths = dict.fromkeys(found_rows.video_ids, float("nan"))
            return _compare_videos(lengths, reference) + _compare_rows(found_rows, reference)
        case "video":
            length = probe_video(path).duration_seconds
            return _compare_unknown([path.stem], reference) + _compare_lengths({path.stem: length}, reference)
        case _:
            return []


def _compare_interval_scores(path: Path, reference: Reference) -> list[str]:
    found, header = read_with_header(path)
    lengths = dict(zip(found.video_ids, found.duration_seconds.tolist(), strict=True))
    return (
        _compare_specs(specs_in(header), reference)
        + _compare_videos(lengths, reference)
        + _compare_classes(found.vocabulary, reference)
    )


def _compare_row_ids(path: Path, reference: Reference) -> list[str]:
    """Return which rows of a sample submission are missing, and which are too many.

    A file of another format has no such rows: there the videos are compared.
    """
    if recognize_format(path).format_name == SAMPLE_FORMAT:
        what, ids, wanted = "row", read_sample_ids(path), reference.row_ids
    else:
        what, ids = "video", read_predictions(path).video_ids
        bins = [split_bin_id(name) for name in reference.row_ids]
        wanted = tuple(
            dict.fromkeys(name if part is None else part[0] for name, part in zip(reference.row_ids, bins, strict=True))
        )
    known, given = frozenset(wanted), frozenset(ids)
    missing = [f"{what} {name!r}: missing; {reference.path} holds it" for name in wanted if name not in given]
    return _listed(what, [name for name in ids if name not in known], wanted, reference.path) + missing


def _compare_specs(specs: Sequence[FeatureSpec], reference: Reference) -> list[str]:
    """Compare with the spec of the reference's view, where heads join several views; with the first, where none has it.

    No spec is unknown, which agrees with all.
    """
    if reference.spec is None or not specs:
        return []
    alike = [spec for spec in specs if spec.view == reference.spec.view]
    return _compare_spec((alike or list(specs))[0], reference)


def _compare_spec(spec: FeatureSpec, reference: Reference) -> list[str]:
    if reference.spec is None:
        return []
    return [f"spec: {difference} of {reference.path}" for difference in spec.differences(reference.spec)]


def _compare_classes(vocabulary: Vocabulary, reference: Reference) -> list[str]:
    if reference.classes is None:
        return []
    unknown = [name for name in vocabulary.names if name not in reference.classes]
    return _listed("class", unknown, reference.classes.names, reference.path)


def _compare_videos(lengths: dict[str, float], reference: Reference) -> list[str]:
    missing = [video_id for video_id in reference.durations if video_id not in lengths]
    return [
        *_compare_unknown(list(lengths), reference),
        *(f"video {video_id!r}: missing; {reference.path} holds it" for video_id in missing),
        *_compare_lengths(lengths, reference),
    ]


def _compare_unknown(video_ids: Sequence[str], reference: Reference) -> list[str]:
    unknown = [video_id for video_id in video_ids if video_id not in reference.durations]
    return _listed("video", unknown, reference.durations, reference.path)


def _listed(what: str, unknown: Sequence[str], known: Sequence[str] | dict[str, float], place: str) -> list[str]:
    names = list(known)
    guesses = [did_you_mean(name, names) for name in unknown[:_MOST_GUESSES]]
    guesses += [""] * (len(unknown) - len(guesses))
    return [
        f"{what} {name!r}: not among the {len(names)} of {place}" + (f"; {guess}" if guess else "")
        for name, guess in zip(unknown, guesses, strict=True)
    ]


def _compare_lengths(lengths: dict[str, float], reference: Reference) -> list[str]:
    found = []
    for video_id, length in lengths.items():
        wanted = reference.durations.get(video_id, float("nan"))
        # A comparison with NaN is false: an unknown length agrees with all.
        if abs(length - wanted) > max(MAX_MISSING_SECONDS, MAX_MISSING_SHARE * wanted):
            found.append(f"video {video_id!r}: {length:.3f} s long, but {wanted:.3f} s in {reference.path}")
    return found


def _compare_rows(labels: Annotations | Predictions, reference: Reference) -> list[str]:
    segments, names = labels.segments, labels.vocabulary.names
    limits = np.array([reference.durations.get(video_id, np.nan) for video_id in labels.video_ids], np.float64)
    outside = (segments.end > limits[segments.video] + _ROUNDING_SECONDS) | (segments.start < -_ROUNDING_SECONDS)
    beyond = [
        f"video {labels.video_ids[segments.video[row]]!r} of {limits[segments.video[row]]:.3f} s: "
        f"{names[segments.label[row]]!r} from {segments.start[row]:.3f} to {segments.end[row]:.3f} s; "
        "a segment lies in its video"
        for row in np.flatnonzero(outside).tolist()
    ]
    return beyond + _compare_classes(labels.vocabulary, reference)
