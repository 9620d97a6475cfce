"""What `score` leaves on disk: the numbers, the segments, and a table of the classes."""

import csv
import io
import json
from pathlib import Path

from tsmfeat.files import make_folder, write_text
from tsmfeat.formats.activitynet import write_predictions
from tsmfeat.workflows.score_report import ScoreReport

SCORE_FILES = ("scores.json", "predictions.json", "per_class.csv")


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
