"""Reading annotations and predictions of any known format."""

from pathlib import Path

from tsmfeat.errors import ConfigurationError, InputError, did_you_mean
from tsmfeat.formats import activitynet, binego360, generic_csv, thumos14, x360
from tsmfeat.formats.classes import ClassList, as_class_list
from tsmfeat.formats.options import FORMATS_OF, FormatName, Invalid, Kind, Pieces
from tsmfeat.formats.recognition import recognize_format
from tsmfeat.formats.row_checks import checked_source
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.vocabulary import Vocabulary


def read_annotations(
    path: Path | str,
    invalid: Invalid = "drop",
    classes: Path | str | Vocabulary | ClassList | None = None,
    format_name: FormatName | None = None,
    pieces: Pieces = "keep",
) -> Annotations:
    r"""Read annotations: ActivityNet JSON, BinEgo-360 solution, generic CSV, THUMOS14 folder or 360+x folder.

    Parameters
    ----------
    path
        The file, gzipped or not, or the folder.
    invalid
        What to do with segments that end at or before their start or are not finite: ``"drop"`` them and count them,
        ``"keep"`` them, or treat them as an ``"error"``. The last also refuses repeated ids and durations that are no
        positive number.
    classes
        A file of class names (or the names themselves): the vocabulary, and what ids mean. None: the names of the whole
        file by first appearance.
    format_name
        One of ``FORMATS``; None: recognised by content.
    pieces
        ``"join"``: pieces that were cut at the edges of BinEgo-360's bins become one segment again.

    Returns
    -------
    Annotations
        All subsets.

    Raises
    ------
    InputError
        Not readable, of no known format, predictions, a label that is not among the `classes`, or content that breaks
        a rule: all problems at once, each with its place.
    ConfigurationError
        An unknown format or choice.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "gt.csv")
    ...     _ = path.write_text("video_id,label,start,end\nkitchen,stir,0.5,2\nkitchen,eat,3,3\n")
    ...     truth = read_annotations(path)
    >>> truth.vocabulary.names, truth.segments.end.tolist(), truth.num_dropped
    (('stir', 'eat'), [2.0], 1)
    """
    source = checked_source(path, invalid)
    listed = as_class_list(classes)
    vocabulary = None if listed is None else listed.vocabulary
    match _resolve_format(source, "annotations", format_name):
        case "activitynet":
            return activitynet.read_annotations(source, invalid, vocabulary)
        case "csv":
            return generic_csv.read_annotations(source, invalid, vocabulary)
        case "thumos14":
            return thumos14.read_annotations(source, invalid, vocabulary)
        case "x360":
            return x360.read_annotations(source, invalid, vocabulary)
        case _:
            return binego360.read_annotations(source, invalid, listed, pieces)


def read_predictions(
    path: Path | str,
    invalid: Invalid = "drop",
    classes: Path | str | Vocabulary | ClassList | None = None,
    format_name: FormatName | None = None,
    pieces: Pieces = "keep",
) -> Predictions:
    """Read predictions: ActivityNet JSON, BinEgo-360 submission, generic CSV or THUMOS14 text.

    Parameters
    ----------
    path
        The file, gzipped or not.
    invalid
        As in `read_annotations`. A NaN score is refused unless ``"keep"``.
    classes
        A file of class names (or the names themselves): what ids mean, in formats that have ids. An id it lacks keeps
        itself as its name; with ``"error"`` it is refused.
    format_name, pieces
        As in `read_annotations`.

    Returns
    -------
    Predictions
        Rows in the order of the file; the vocabulary by first appearance.

    Raises
    ------
    InputError
        Not readable, of no known format, annotations, or content that breaks a rule: all problems at once, each with
        its place.
    ConfigurationError
        An unknown format or choice.
    """
    source = checked_source(path, invalid)
    listed = as_class_list(classes)
    match _resolve_format(source, "predictions", format_name):
        case "activitynet":
            return activitynet.read_predictions(source, invalid)
        case "csv":
            return generic_csv.read_predictions(source, invalid)
        case "thumos14":
            return thumos14.read_predictions(source, invalid, listed)
        case _:
            return binego360.read_predictions(source, invalid, listed, pieces)


def require_format(format_name: str, kind: Kind) -> FormatName:
    """Return a format's name, or refuse one that is unknown or cannot hold the kind.

    Raises
    ------
    ConfigurationError
        Names the formats there are.

    Examples
    --------
    >>> require_format("csv", "predictions")
    'csv'
    """
    for known in FORMATS_OF[kind]:
        if known == format_name:
            return known
    hint = did_you_mean(format_name, FORMATS_OF[kind]) or f"choose one of {', '.join(FORMATS_OF[kind])}"
    raise ConfigurationError(f"no format {format_name!r} for {kind}", hint)


def _resolve_format(source: Path, kind: Kind, format_name: str | None) -> FormatName:
    if format_name is not None:
        return require_format(format_name, kind)
    found = recognize_format(source)
    # JSON may hold both; where it does not, its own reader says which keys there are.
    if found.kind != kind and found.format_name != "activitynet":
        scores = "; predictions have a column 'score'" if found == ("csv", "annotations") else ""
        raise InputError(
            f"{source}: holds {found.kind} ({found.format_name}); {kind} are expected{scores}",
            "check that annotations and predictions are not exchanged",
        )
    return "activitynet" if found.kind != kind else found.format_name
