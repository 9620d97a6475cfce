"""One format of annotations or predictions becomes another."""

import time
from dataclasses import dataclass
from pathlib import Path

from tsmfeat.errors import ConfigurationError
from tsmfeat.formats.options import FormatName, Invalid, Kind, Pieces
from tsmfeat.formats.reading import read_annotations, read_predictions
from tsmfeat.formats.recognition import recognize_format
from tsmfeat.formats.writing import write_annotations, write_predictions
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.workflows.kinds import require_replaceable

_SILENCE = Silence()


@dataclass(frozen=True)
class ConversionReport:
    """What `convert_file` read and wrote.

    Parameters
    ----------
    out
        What was written.
    kind
        ``"annotations"`` or ``"predictions"``.
    num_videos, num_segments, num_classes
        What was read, rows that were dropped not counted.
    num_dropped
        Rows left out in reading: zero-length, reversed or not finite.
    num_ambiguous
        Rows that are no truth because the annotators call them ambiguous; activitynet and thumos14 hold them.
    losses
        What the target cannot hold, in words.
    seconds
        Wall time.
    """

    out: str
    kind: Kind
    num_videos: int
    num_segments: int
    num_classes: int
    num_dropped: int
    num_ambiguous: int
    losses: tuple[str, ...]
    seconds: float


def convert_file(  # noqa: PLR0913 - one call is one conversion
    source: str | Path,
    out: str | Path,
    kind: Kind | None = None,
    *,
    from_format: FormatName | None = None,
    to_format: FormatName | None = None,
    classes: str | Path | None = None,
    sample: str | Path | None = None,
    pieces: Pieces = "keep",
    strict: bool = False,
    progress: Progress = _SILENCE,
) -> ConversionReport:
    """Convert annotations or predictions from one format to another.

    Parameters
    ----------
    source
        The file or folder.
    out
        What to write: a file, or for annotations in THUMOS14 and 360+x a folder.
    kind
        What the source holds; None: recognised by content.
    from_format, to_format
        Names of ``tsmfeat.formats.options.FORMATS``; None: recognised by content, and by the end of the name.
    classes
        A file of class names, for formats that have ids and as the vocabulary of annotations.
    sample
        A sample submission of BinEgo-360: its ids are the rows written.
    pieces
        ``"join"``: pieces cut at the edges of BinEgo-360's bins become one segment again.
    strict
        Whether invalid rows, and what the target cannot hold, are errors.
    progress
        Told of what is left out.

    Returns
    -------
    ConversionReport

    Raises
    ------
    ConfigurationError
        The target's format is not told, the options do not fit each other, or `out` is the source or a file of another
        kind.
    TsmfeatError
        A source that is damaged, content the target has no way to write, a full disk.
    """
    began = time.monotonic()
    invalid: Invalid = "error" if strict else "drop"
    found: Annotations | Predictions
    resolved = kind or _kind_of(Path(source), from_format)
    _require_other_place(Path(source), Path(out), resolved)
    if resolved == "predictions":
        found = predictions = read_predictions(source, invalid, classes, from_format, pieces)
        losses = write_predictions(predictions, out, to_format, classes, sample, strict)
        num_ambiguous = 0
    else:
        if sample is not None:
            raise ConfigurationError(f"{source}: holds annotations; a sample is for submissions", "leave --sample out")
        found = annotations = read_annotations(source, invalid, classes, from_format, pieces)
        losses = write_annotations(annotations, out, to_format, classes, strict)
        num_ambiguous = annotations.num_ambiguous
    report = ConversionReport(
        str(out),
        resolved,
        len(found.video_ids),
        len(found.segments),
        len(found.vocabulary),
        found.num_dropped,
        num_ambiguous,
        losses,
        time.monotonic() - began,
    )
    _warn_of_losses(report, progress)
    return report


def _kind_of(source: Path, from_format: FormatName | None) -> Kind:
    if from_format == "x360":
        return "annotations"
    return recognize_format(source).kind


def _require_other_place(source: Path, out: Path, kind: Kind) -> None:
    """Refuse to write over the source, or over a file of another kind; folders are judged by their writers."""
    if out.exists() and source.exists() and out.samefile(source):
        raise ConfigurationError(
            f"{out}: is the source itself; what a conversion leaves out would be lost", "choose another name"
        )
    if not out.is_dir():
        require_replaceable(out, kind)


def _warn_of_losses(report: ConversionReport, progress: Progress) -> None:
    if report.num_dropped:
        progress.warn(f"{report.num_dropped} segments were dropped: zero-length, reversed or not finite")
    for loss in report.losses:
        progress.warn(f"{report.out}: its format cannot hold {loss}")
