"""What was measured beside AP, as people read it, in 80 columns."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tsmfeat.metrics.frames import FrameScores
    from tsmfeat.metrics.proposals import AverageRecall
    from tsmfeat.metrics.recall import TopRecall
    from tsmfeat.metrics.segmentation import SegmentationScores
    from tsmfeat.workflows.score_report import ScoreReport

_WIDTH = 14


def describe_measures(report: "ScoreReport") -> list[str]:
    """Return the lines of whatever was measured beside AP; none where nothing was."""
    lines: list[str] = []
    for name, found in report.measures.items():
        lines += ["", *_describe(name, found)]
    return lines


def _describe(name: str, found: "AverageRecall | TopRecall | FrameScores") -> list[str]:
    # By name: importing the classes would load numba for a table.
    match name:
        case "ar" | "ar-opentad" | "ar-mmaction2":
            return _proposal_lines(found)  # type: ignore[arg-type]
        case "top-kx":
            return _top_lines(found)  # type: ignore[arg-type]
        case _:
            return _frame_lines(found)  # type: ignore[arg-type]


def _proposal_lines(found: "AverageRecall") -> list[str]:
    low, high, shown = min(found.tiou_thresholds), max(found.tiou_thresholds), found.shown
    return [
        f"recall of proposals of any class, {found.variant}, "
        f"{len(found.tiou_thresholds)} tIoU from {low:g} to {high:g}:",
        _heads("proposals", [*(f"{number:g}" for number in shown), "AUC"]),
        _row("AR", [*shown.values(), found.auc]),
    ]


def _top_lines(found: "TopRecall") -> list[str]:
    lines = ["recall of the best k x n detections of each video and class with n truths:"]
    lines.append(_heads("tIoU", [*(f"{threshold:g}" for threshold in found.tiou_thresholds), "mean"]))
    return lines + [
        _row(f"recall@{k}x", [*row, row.mean()]) for k, row in zip(found.best_of, found.recall, strict=True)
    ]


def _frame_lines(found: "FrameScores") -> list[str]:
    scores = found.scores
    empty = f" ({scores.num_empty_videos} without any segment)" if scores.num_empty_videos else ""
    shared = f"{found.num_shared / found.num_frames:.1%} of the frames have several true segments; one of them counts"
    return [
        f"segmentation of {scores.num_videos:,} videos{empty} in frames of {found.step_seconds:g} s:",
        _heads("", ["accuracy", "edit", *(f"F1@{100 * threshold:g}" for threshold in scores.tiou_thresholds)]),
        _row("mean of videos", [scores.accuracy, scores.edit, *scores.f1]),
        _pooled_row(scores),
        *([shared] if found.num_shared else []),
    ]


def _pooled_row(scores: "SegmentationScores") -> str:
    rest = "".join(f"{value:9.4f}" for value in scores.f1_pooled)
    return f"{'all at once':<{_WIDTH}}{scores.accuracy_pooled:9.4f}{'-':>9}{rest}"


def _heads(title: str, names: Iterable[str]) -> str:
    return f"{title:<{_WIDTH}}" + "".join(f"{name:>9}" for name in names)


def _row(title: str, values: Iterable[float]) -> str:
    return f"{title:<{_WIDTH}}" + "".join(f"{value:9.4f}" for value in values)
