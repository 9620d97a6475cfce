"""The grid of an ablation as people read it, in 80 columns."""

from itertools import groupby
from typing import TYPE_CHECKING

from tsmfeat_cli.statistics_tables import wrap_lines

if TYPE_CHECKING:
    from tsmfeat.workflows.ablation_report import AblationReport, Cell

_NAME_WIDTH = 19


def describe_ablation(report: "AblationReport") -> str:
    """Return the grid, the ensembles, and what was compared.

    Parameters
    ----------
    report
        What `tsmfeat.workflows.ablate` returned.
    """
    # Loading these costs scoring, which the help does not need.
    from tsmfeat.workflows.ablation_files import describe_differences, describe_equality, describe_task
    from tsmfeat.workflows.ablation_report import PAPER_WARNING

    thresholds = "".join(f"{f'@{threshold:g}':>7}" for threshold in report.tiou_thresholds)
    lines = [line for sentence in describe_task(report) for line in wrap_lines(sentence)]
    lines += ["", f"{'':<{_NAME_WIDTH}}{'final':>7}{'± sd':>8}{'95 %':>18}{thresholds}{'scenes':>7}"]
    for name, cells in groupby(report.cells, key=lambda cell: cell.features[0]):
        lines += [name, *(_row(cell, cell.tasks) for cell in cells)]
    for tasks, cells in groupby(report.ensembles, key=lambda cell: cell.tasks):
        lines += [
            f"ensemble of {len(report.specs)}, {tasks}",
            *(_row(cell, f"{cell.weighting} weights") for cell in cells),
        ]
    lines += ["", *(line for sentence in describe_differences(report) for line in wrap_lines(sentence))]
    if report.ensembles:
        lines += ["learned weights (of all videos, mean over seeds):", *_weight_lines(report.ensembles[-1])]
    lines += wrap_lines(equality) if (equality := describe_equality(report)) else []
    return "\n".join([*lines, *wrap_lines(f"reference: {PAPER_WARNING}")])


def _row(cell: "Cell", name: str) -> str:
    head = f"  {name:<{_NAME_WIDTH - 2}}"
    if cell.equal_to:
        return f"{head}{cell.final_score:7.4f}  equal by construction to {cell.equal_to}"
    deviation = "" if cell.final_score_sd is None else f"{cell.final_score_sd:.4f}"
    interval = f"{cell.interval[0]:.4f} to {cell.interval[1]:.4f}"
    values = "".join(f"{value:7.3f}" for value in cell.map)
    scenes = "" if cell.scene_accuracy is None else f"{cell.scene_accuracy:.3f}"
    return f"{head}{cell.final_score:7.4f}{deviation:>8}{interval:>18}{values}{scenes:>7}".rstrip()


def _weight_lines(cell: "Cell") -> list[str]:
    return [f"  {weight:.3f} x {name}" for weight, name in zip(cell.weights, cell.features, strict=True)]
