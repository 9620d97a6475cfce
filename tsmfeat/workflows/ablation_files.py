"""What `ablate` leaves on disk: the numbers, and the table twice, for programs and for papers."""

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path

from tsmfeat.errors import ConfigurationError
from tsmfeat.files import make_folder, write_text
from tsmfeat.workflows.ablation_report import PAPER_WARNING, AblationReport, Cell

ABLATION_FILES = ("ablation.json", "ablation.csv", "ablation.md")


def require_ablation_output(folder: Path, read: Iterable[str | Path]) -> None:
    """Refuse a folder where what is read would be replaced by what is written, before any work is done.

    Raises
    ------
    ConfigurationError
        A file that is read has the name of one that is written, a file has the folder's name, or one of the names is
        that of a file no ablation wrote.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"{folder}: is a file; what is written goes into a folder", "use another -o")
    written = {(folder / name).resolve() for name in ABLATION_FILES}
    for path in filter(None, map(str, read)):
        if Path(path).resolve() in written:
            raise ConfigurationError(f"{path}: is to be read and written", "choose another folder with -o")
    there = [folder / name for name in ABLATION_FILES if (folder / name).exists()]
    if there and not _is_ablation(folder / ABLATION_FILES[0]):
        raise ConfigurationError(
            f"{there[0]}: no ablation wrote it, or its {ABLATION_FILES[0]} is gone; only ablations are replaced",
            "choose another folder with -o",
        )


def _is_ablation(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"cells", "tiou_thresholds"} <= content.keys()


def write_ablation(report: AblationReport, folder: Path) -> None:
    """Write ``ablation.json``, ``ablation.csv`` and ``ablation.md`` into a folder, which is made if needed.

    Raises
    ------
    OutputError
        The folder cannot be made or written.
    """
    make_folder(folder)
    write_text(folder / ABLATION_FILES[0], json.dumps(report.to_dict(), indent=1) + "\n")
    write_text(folder / ABLATION_FILES[1], _csv_table(report))
    write_text(folder / ABLATION_FILES[2], describe_in_markdown(report))


def _csv_table(report: AblationReport) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = ["features", "tasks", "weights", "final_score", "final_score_sd", "low", "high"]
    writer.writerow([*columns, *(f"map@{t:g}" for t in report.tiou_thresholds), "scene_accuracy", "equal_to"])
    for cell in (*report.cells, *report.ensembles):
        row = [" + ".join(cell.features), cell.tasks, cell.weighting, cell.final_score, cell.final_score_sd]
        writer.writerow([*row, *cell.interval, *cell.map.tolist(), cell.scene_accuracy, cell.equal_to])
    return text.getvalue()


def describe_in_markdown(report: AblationReport) -> str:
    """Return the grid, what was compared, and what the numbers are of, as Markdown."""
    heads = [*(f"mAP@{threshold:g}" for threshold in report.tiou_thresholds), "final", "± sd", "95 %", "scenes"]
    lines = [
        f"# Single and multi-task, {len(report.specs)} kinds of features, and their ensemble",
        "",
        *describe_task(report),
        "",
        f"| features | tasks | {' | '.join(heads)} |",
        f"|---|---|{'---|' * len(heads)}",
        *(_markdown_row(cell, cell.features[0]) for cell in report.cells),
        *(_markdown_row(cell, f"ensemble, weights {cell.weighting}") for cell in report.ensembles),
        "",
        *(f"- {sentence}" for sentence in describe_differences(report)),
        *([f"- {sentence}" for sentence in [describe_equality(report)] if sentence]),
        "",
        f"Reference: {PAPER_WARNING}.",
    ]
    return "\n".join(lines) + "\n"


def _markdown_row(cell: Cell, name: str) -> str:
    if cell.equal_to:
        return f"| {name} | {cell.tasks} |{' = |' * len(cell.map)} {cell.final_score:.4f} | = | = | |"
    low, high = cell.interval
    deviation = "" if cell.final_score_sd is None else f"{cell.final_score_sd:.4f}"
    scenes = "" if cell.scene_accuracy is None else f"{cell.scene_accuracy:.3f}"
    values = " | ".join(f"{value:.4f}" for value in cell.map)
    return (
        f"| {name} | {cell.tasks} | {values} | {cell.final_score:.4f} | {deviation} | {low:.4f} to {high:.4f} "
        f"| {scenes} |"
    )


def describe_task(report: AblationReport) -> list[str]:
    """Return what was judged, and how, in sentences."""
    options = report.options
    return [
        f"{report.num_videos} videos, {report.num_segments:,} segments of {report.num_actions} actions, "
        f"{report.num_scenes} scenes. Every video is predicted by heads fitted on the other {options.num_folds - 1} of "
        f"{options.num_folds} folds; head {options.heads.head}, {options.num_seeds} seeds.",
        f"Final score: mean of the mAP over tIoU {', '.join(f'{t:g}' for t in report.tiou_thresholds)}, all folds "
        f"ranked together, mean over seeds. Intervals: {options.num_resamples:,} resamples of the videos, the same for "
        "all.",
    ]


def describe_differences(report: AblationReport) -> list[str]:
    """Return a sentence for each difference, and what favours the best cell."""
    best = report.best_cell.name
    told = ["the best cell was found on these very videos, which favours it"] if report.ensembles else []
    told += [
        f"{cell.name}: {cell.fold_gain:+.4f} against equal weights within a fold, where scores are of one scale"
        for cell in report.ensembles
        if cell.fold_gain is not None
    ]
    return told + [
        f"{each.one} less {'the best cell, ' if each.other == best and report.ensembles else ''}{each.other}: "
        f"{each.difference:+.4f}, 95 % from {each.interval[0]:+.4f} to {each.interval[1]:+.4f}: "
        f"{'distinguishable' if each.is_distinguishable else 'not distinguishable on these videos'}"
        for each in report.differences
    ]


def describe_equality(report: AblationReport) -> str:
    """Return why single cells were not fitted; empty where they were."""
    if not any(cell.equal_to for cell in report.cells):
        return ""
    return (
        f"single: equal by construction. A {report.options.heads.head} head shares nothing between actions and scenes, "
        "so its action weights are the same bits with the scene task and without; --head mlp shares a layer"
    )
