"""The scores as people read them."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tsmfeat_cli.diagnosis_tables import describe_diagnosis
from tsmfeat_cli.measure_tables import describe_measures
from tsmfeat_cli.protocol_tables import describe_comparison
from tsmfeat_cli.statistics_tables import describe_uncertainty, shorten, wrap_lines

if TYPE_CHECKING:
    from tsmfeat.workflows.gamma_choice import PriorReport
    from tsmfeat.workflows.learning import LearnedWeights
    from tsmfeat.workflows.score_report import ScoreReport

_LEAST_WIDTH = 12
_SINGLE = "best single source"


def describe_scores(report: "ScoreReport", per_class: bool) -> str:
    """Return AP and mAP per threshold, the final score, and what to know about them.

    Parameters
    ----------
    report
        What `tsmfeat.workflows.score` returned.
    per_class
        Whether there is a line a class.
    """
    found = report.evaluation
    lines = [*_map_table(report, per_class), ""]
    lines.append(
        f"final score {found.final_score:.4f}: mean mAP of {len(found.classes)} classes, protocol {found.protocol}"
    )
    lines += [*_unit_lines(report), *_scene_lines(report, per_class)]
    lines.append(
        f"{found.num_predictions:,} predictions ({found.num_ignored:,} of classes without truth ignored), "
        f"{found.num_annotations:,} annotations; tied scores {found.tied_share:.1%}, "
        f"pairs exactly at a threshold {found.num_at_threshold:,}"
    )
    if report.tied_map_range is not None:
        in_order, reversed_order = report.tied_map_range
        lines.append(f"ties: {in_order:.4f} in file order, {reversed_order:.4f} reversed")
    if report.prior is not None:
        lines += wrap_lines(describe_prior(report.prior))
    if len(report.sources) > 1:
        lines += ["fused:", *_list_weights(report.weights, report.sources)]
    if report.learned is not None:
        lines += describe_learning(report.learned, report.sources)
    if report.fusions:
        lines += ["", *_fusion_table(report)]
    lines += [*describe_comparison(report), *describe_measures(report), *describe_uncertainty(report)]
    diagnosis = report.uncertainty.diagnosis
    return "\n".join([*lines, *([] if diagnosis is None else describe_diagnosis(diagnosis))])


def describe_prior(prior: "PriorReport") -> str:
    """Return how much a video prior counts and what it is worth."""
    without = "" if prior.final_score_without is None else f"; without it {prior.final_score_without:.4f}"
    if prior.choice is None:
        return f"video prior {prior.video_prior}: gamma {prior.gamma:g}{without}"
    folds = prior.choice.gamma_of_fold
    chosen = f"{folds[0]:g} in every fold" if len(set(folds)) == 1 else ", ".join(f"{value:g}" for value in folds)
    best = max(value for _, value in prior.choice.final_scores)
    honest, plain = prior.choice.final_score_out_of_fold, prior.final_score_without
    pays = plain is None or honest > plain
    return (
        f"video prior {prior.video_prior}: gamma by {len(folds)} folds: {chosen}; out of fold "
        f"{honest:.4f}{without}; for other videos --gamma {prior.gamma:g} (here, where "
        f"it was chosen, {best:.4f})" + ("" if pays else "; it does not pay here")
    )


def describe_learning(learned: "LearnedWeights", sources: Sequence[str]) -> list[str]:
    """Return what learned weights are worth: the honest number beside the optimistic one.

    Parameters
    ----------
    learned
        What `tsmfeat.workflows.learning.learn_weights` returned.
    sources
        What the weights belong to.
    """
    best, num_gained = max(learned.single_scores), sum(gain > 0 for gain in learned.fold_gains)
    return [
        f"learned weights: {learned.num_candidates:,} candidates, {learned.seconds:.1f} s",
        *_list_weights(learned.weights, sources),
        f"  on the videos that chose them {learned.seen_score:.4f}: optimistic",
        f"  on held-out videos ({len(learned.fold_weights)} folds) {learned.held_out_score:.4f}, "
        f"{learned.held_out_score - learned.equal_score:+.4f} against equal weights ({learned.equal_score:.4f})",
        f"  better than equal weights in {num_gained} of {len(learned.fold_gains)} folds, "
        f"{learned.mean_fold_gain:+.4f} on average within a fold",
        f"  the best source alone, by the same rule: {best:.4f}, {shorten(sources[learned.single_scores.index(best)])}",
    ]


def _list_weights(weights: Sequence[float], sources: Sequence[str]) -> list[str]:
    # A line each: paths are long, and broken ones cannot be copied.
    return [f"  {weight:.3f} x {source}" for weight, source in zip(weights, sources, strict=True)]


def _fusion_table(report: "ScoreReport") -> list[str]:
    # The first is a source as it is, called by its path: it has a line of its own.
    single, *fused = report.fusions
    rows = [(_SINGLE, single), *((one.name, one) for one in fused)]
    width = max(len(name) for name, _ in rows) + 1
    heads = [*(f"{threshold:g}" for threshold in report.evaluation.tiou_thresholds), "final", "segments"]
    lines = [f"{'fusion':<{width}}" + "".join(f"{head:>7}" for head in heads[:-1]) + f"{heads[-1]:>9}"]
    for name, found in rows:
        values = "".join(f"{value:7.4f}" for value in [*found.map, found.final_score])
        lines.append(f"{name:<{width}}{values}{found.num_segments:9,}")
    return [*lines, single.name]


def _unit_lines(report: "ScoreReport") -> list[str]:
    unit = report.options.unit
    if unit == "video":
        return []
    treated = "each counts as false" if unit == "bin10-all" else "they are left out"
    return [
        f"unit {unit}: bins of ten seconds, not comparable with whole videos; {report.num_outside:,} predicted pieces "
        f"lie in bins without truth: {treated}"
    ]


def _scene_lines(report: "ScoreReport", per_class: bool) -> list[str]:
    scenes = report.scenes
    if scenes.top1 is None:
        return []
    # Among the five likeliest of five or fewer is everything.
    likeliest = len(report.predictions.scene_vocabulary) > 5
    also = f"; among the five likeliest in {scenes.top5:.4f}" if likeliest else ""
    lines = [
        f"scenes      {scenes.top1:.4f}: the share of {scenes.num_videos} videos whose scene is named rightly{also}"
    ]
    lines.append(f"{'':<12}{scenes.mean_class:.4f}: the mean of that share over {len(scenes.classes)} scenes")
    if not per_class:
        return lines
    table = zip(scenes.classes, scenes.class_accuracy, scenes.num_class_videos, strict=True)
    return [*lines, *(f"{'':<12}{share:.4f}  {name} ({count} videos)" for name, share, count in table)]


def _map_table(report: "ScoreReport", per_class: bool) -> list[str]:
    found = report.evaluation
    names = found.classes if per_class else ()
    width = max(_LEAST_WIDTH, *(len(name) + 2 for name in names)) if names else _LEAST_WIDTH
    heads = [*(f"{threshold:g}" for threshold in found.tiou_thresholds), "mean"]
    lines = [f"{'tIoU':<{width}}" + "".join(f"{head:>8}" for head in heads)]
    lines += [_row(name, [*row, row.mean()], width) for name, row in zip(names, found.ap, strict=False)]
    return [*lines, _row("mAP", [*found.map, found.average_map], width)]


def _row(name: str, values: Iterable[float], width: int) -> str:
    return f"{name:<{width}}" + "".join(f"{value:8.4f}" for value in values)
