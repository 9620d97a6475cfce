"""What `score` leaves on disk: the numbers, the segments, and a table of the classes."""

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path

from tsmfeat.errors import ConfigurationError
from tsmfeat.files import make_folder, write_text
from tsmfeat.formats.activitynet import write_predictions
from tsmfeat.workflows.score_options import ScoreOptions
from tsmfeat.workflows.score_report import ScoreReport

SCORE_FILES = ("scores.json", "predictions.json", "per_class.csv")


def require_scores_output(
    folder: str | Path, sources: Iterable[str | Path], annotations: str | Path, options: ScoreOptions
) -> None:
    """Refuse a folder where what is read would be replaced by what is written, before any work is done.

    Parameters
    ----------
    folder
        For `write_scores`.
    sources, annotations, options
        As `tsmfeat.workflows.score` takes them.

    Raises
    ------
    ConfigurationError
        A file that is read has the name of one that is written, or a file has the folder's name.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"{folder}: is a file; what is written goes into a folder", "use another -o")
    prior = options.prior
    named = (options.classes, options.transitions, prior.video_prior, prior.prior_annotations)
    read = [*sources, annotations, *options.statistics.compare, *(path for path in named if path)]
    written = {(folder / name).resolve() for name in SCORE_FILES}
    for path in read:
        if Path(path).resolve() in written:
            raise ConfigurationError(f"{path}: is to be read and written", "choose another folder with -o")


def write_scores(report: ScoreReport, folder: str | Path) -> None:
    """Write ``scores.json``, ``predictions.json`` and ``per_class.csv`` into a folder, which is made if needed.

    Parameters
    ----------
    report
        What `tsmfeat.workflows.score` returned.
    folder
        Files of these names in it are replaced.

    Raises
    ------
    OutputError
        The folder cannot be made or written.
    """
    folder = Path(folder)
    make_folder(folder)
    write_text(folder / SCORE_FILES[0], json.dumps(report.to_dict(), indent=1) + "\n")
    write_predictions(report.predictions, folder / SCORE_FILES[1])
    write_text(folder / SCORE_FILES[2], _class_table(report))


def _class_table(report: ScoreReport) -> str:
    found = report.evaluation
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["class", *(f"ap@{threshold:g}" for threshold in found.tiou_thresholds)])
    writer.writerows([name, *row] for name, row in zip(found.classes, found.ap.tolist(), strict=True))
    return table.getvalue()
