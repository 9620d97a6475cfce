"""Writing annotations and predictions in any known format, and what a format cannot hold."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError
from tsmfeat.formats import activitynet, binego360_writing, generic_csv, thumos14, x360
from tsmfeat.formats.binego360 import read_sample_ids
from tsmfeat.formats.classes import ClassList, as_class_list
from tsmfeat.formats.content import write_content
from tsmfeat.formats.options import FORMATS_OF, FormatName, Kind
from tsmfeat.formats.reading import require_format
from tsmfeat.values.annotations import NO_SCENE, Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.vocabulary import Vocabulary

_FORMAT_OF_SUFFIX: dict[str, FormatName] = {".json": "activitynet", ".csv": "csv", ".txt": "thumos14"}
_HOLD_SILENT_VIDEOS = ("activitynet", "csv", "binego360-video", "x360")
_HOLD_FACTS = ("activitynet", "csv")


def write_predictions(
    predictions: Predictions,
    path: Path | str,
    format_name: FormatName | None = None,
    classes: Path | str | Vocabulary | ClassList | None = None,
    sample: Path | str | None = None,
    strict: bool = False,
) -> tuple[str, ...]:
    r"""Write predictions; a name that ends in .gz is zipped.

    Parameters
    ----------
    predictions
        What to write.
    path
        The file.
    format_name
        One of ``FORMATS_OF["predictions"]``; None: .json is ActivityNet JSON, .csv generic CSV, .txt THUMOS14.
    classes
        A file of class names (or the names themselves), for formats that hold ids. None: names that are numbers are
        the ids; for THUMOS14 the challenge's own.
    sample
        A sample submission of BinEgo-360: its ids are the rows written.
    strict
        Whether it is an error that the format cannot hold something.

    Returns
    -------
    tuple of str
        What the format could not hold, in words; empty where it holds all.

    Raises
    ------
    InputError
        Content that the format has no way to write, such as a class without an id.
    ConfigurationError
        No format given and none known by the name's end, or something is lost and `strict`.
    OutputError
        The file cannot be written.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from tsmfeat.values.segments import Segments
    >>> one = Predictions(("a", "b"), Vocabulary(("Diving",)), Segments([0], [0], [0.5], [2.0], [0.75]))
    >>> with TemporaryDirectory() as folder:
    ...     write_predictions(one, Path(folder, "found.txt"))
    ...     Path(folder, "found.txt").read_text()
    ('1 videos without segments',)
    'a 0.5 2.0 26 0.75\n'
    """
    target, listed = Path(path), as_class_list(classes)
    resolved = _resolve_format(target, "predictions", format_name, sample)
    losses = _prediction_losses(predictions, resolved)
    if resolved in ("binego360", "binego360-video"):
        ids = None if sample is None else read_sample_ids(sample)
        content, told = binego360_writing.encode_predictions(predictions, listed, ids, binned=resolved == "binego360")
        losses += told
        _refuse_losses(resolved, losses, strict)
        write_content(target, content)
        return losses
    _refuse_losses(resolved, losses, strict)
    if resolved == "activitynet":
        activitynet.write_predictions(predictions, target)
    elif resolved == "csv":
        generic_csv.write_predictions(predictions, target)
    else:
        thumos14.write_predictions(predictions, target, listed)
    return losses


def write_annotations(
    annotations: Annotations,
    path: Path | str,
    format_name: FormatName | None = None,
    classes: Path | str | Vocabulary | ClassList | None = None,
    strict: bool = False,
) -> tuple[str, ...]:
    """Write annotations; a file's name that ends in .gz is zipped.

    Parameters
    ----------
    annotations
        What to write.
    path
        The file; for THUMOS14 and 360+x the folder, which must not exist.
    format_name
        One of ``FORMATS``; None: .json is ActivityNet JSON, .csv generic CSV.
    classes, strict
        As in `write_predictions`.

    Returns
    -------
    tuple of str
        What the format could not hold, in words; empty where it holds all.

    Raises
    ------
    InputError
        Content that the format has no way to write, such as a class without an id.
    ConfigurationError
        No format given and none known by the name's end, or something is lost and `strict`.
    OutputError
        The file or folder cannot be written.
    """
    target = Path(path)
    resolved = _resolve_format(target, "annotations", format_name, None)
    losses = _annotation_losses(annotations, resolved)
    if resolved in ("binego360", "binego360-video"):
        content, told = binego360_writing.encode_annotations(
            annotations, as_class_list(classes), binned=resolved == "binego360"
        )
        losses += told
        _refuse_losses(resolved, losses, strict)
        write_content(target, content)
        return losses
    _refuse_losses(resolved, losses, strict)
    if resolved == "activitynet":
        activitynet.write_annotations(annotations, target)
    elif resolved == "csv":
        generic_csv.write_annotations(annotations, target)
    elif resolved == "thumos14":
        thumos14.write_annotations(annotations, target)
    else:
        x360.write_annotations(annotations, target)
    return losses


def _resolve_format(path: Path, kind: Kind, format_name: str | None, sample: Path | str | None) -> FormatName:
    if format_name is not None:
        resolved = require_format(format_name, kind)
    elif sample is not None:
        resolved = "binego360"
    else:
        resolved = _format_of_name(path, kind)
    if sample is not None and not resolved.startswith("binego360"):
        raise ConfigurationError(f"a sample submission, but the format is {resolved}", "use the format binego360")
    return resolved


def _format_of_name(path: Path, kind: Kind) -> FormatName:
    suffix = (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()
    found = _FORMAT_OF_SUFFIX.get(suffix)
    if found is None or (found == "thumos14" and kind == "annotations"):
        raise ConfigurationError(
            f"{path}: its name does not tell the format to write; .json and .csv do",
            f"name one of {', '.join(FORMATS_OF[kind])}",
        )
    return found


def _refuse_losses(format_name: FormatName, losses: tuple[str, ...], strict: bool) -> None:
    if strict and losses:
        raise ConfigurationError(
            f"{format_name} cannot hold {'; '.join(losses)}", "write activitynet, which holds all, or leave strict out"
        )


def _prediction_losses(predictions: Predictions, format_name: FormatName) -> tuple[str, ...]:
    scenes = np.asarray(np.isfinite(predictions.scenes()).any(axis=1))
    losses = _count(scenes, "scene scores of {} videos", format_name == "activitynet")
    return losses + _silent(len(predictions.video_ids), predictions.segments.video, format_name)


def _annotation_losses(annotations: Annotations, format_name: FormatName) -> tuple[str, ...]:
    holds_facts = format_name in _HOLD_FACTS
    subsets = np.array([bool(subset) for subset in annotations.subset], np.bool_)
    return (
        _count(subsets, "the subsets of {} videos", format_name != "x360")
        + _count(~np.isnan(annotations.duration_seconds), "the durations of {} videos", holds_facts)
        + _count(np.asarray(annotations.scene != NO_SCENE), "the scenes of {} videos", holds_facts)
        + _silent(len(annotations.video_ids), annotations.segments.video, format_name)
        + _count(
            np.ones(len(annotations.ambiguous), np.bool_),
            "{} ambiguous segments",
            format_name in ("activitynet", "thumos14"),
        )
    )


def _silent(num_videos: int, video: npt.NDArray[np.int32], format_name: FormatName) -> tuple[str, ...]:
    without = np.bincount(video, minlength=num_videos) == 0
    return _count(without, "{} videos without segments", format_name in _HOLD_SILENT_VIDEOS)


def _count(marked: npt.NDArray[np.bool_], words: str, held: bool) -> tuple[str, ...]:
    number = int(np.count_nonzero(marked))
    return () if held or not number else (words.format(number),)
