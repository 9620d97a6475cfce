"""The same predictions under other protocols, and how far the order of equal scores moves a score."""

from collections.abc import Callable
from dataclasses import replace

from tsmfeat.metrics.average_precision import Evaluation
from tsmfeat.metrics.options import StatisticsOptions
from tsmfeat.metrics.presets import preset_named, preset_thresholds
from tsmfeat.metrics.protocol_passes import evaluate_protocols, tie_range
from tsmfeat.metrics.protocols import Protocol, protocol_named
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.score_options import ScoreOptions

MANY_TIES = 0.1
"""Share of tied scores from which on the range of the score is told."""

Evaluations = dict[str, Evaluation]


def evaluate_others(
    predictions: Predictions,
    truth: Annotations,
    options: ScoreOptions,
    score_again: Callable[[ScoreOptions], Evaluations],
) -> Evaluations:
    """Return the evaluations under ``options.protocols``, by name.

    Parameters
    ----------
    predictions, truth
        What ``options.protocol`` saw.
    options
        `ScoreOptions`.
    score_again
        Called with other options where a protocol sees rows that the readers dropped, or the other way round.
    """
    names = options.protocols
    rule = protocol_named(options.protocol).invalid
    alike = [name for name in names if options.strict or protocol_named(name).invalid == rule]
    records = [_spelled(protocol_named(name), options) for name in alike]
    thresholds = None if options.preset else options.tiou_thresholds
    found = dict(zip(alike, evaluate_protocols(predictions, truth, records, thresholds), strict=True))
    if rest := tuple(name for name in names if name not in found):
        found |= score_again(
            replace(
                options,
                protocol=rest[0],
                protocols=rest[1:],
                tiou_thresholds=thresholds,
                statistics=StatisticsOptions(),
                compare_fusions=False,
                measures=(),
            )
        )
    return {name: found[name] for name in names}


def _spelled(record: Protocol, options: ScoreOptions) -> Protocol:
    if not options.preset:
        return record
    return replace(record, tiou_thresholds=preset_thresholds(preset_named(options.preset), record))


def tied_map_range(
    predictions: Predictions, truth: Annotations, evaluation: Evaluation, progress: Progress
) -> tuple[float, float] | None:
    """Return the average mAP with equal scores in the order of the file and in its reverse; None where few are equal.

    Parameters
    ----------
    predictions, truth
        What was evaluated.
    evaluation
        What was found.
    progress
        Warned of many ties.
    """
    if evaluation.tied_share < MANY_TIES:
        return None
    record = protocol_named(evaluation.protocol)
    in_order, reversed_order = tie_range(predictions, truth, record, evaluation.tiou_thresholds)
    if f"{in_order:.4f}" != f"{reversed_order:.4f}":
        progress.warn(
            f"{evaluation.tied_share:.0%} of the scores are tied: mAP is {in_order:.4f} with them in file order, "
            f"{reversed_order:.4f} reversed; write scores with more digits"
        )
    return in_order, reversed_order


def warn_of_preset(options: ScoreOptions, progress: Progress) -> None:
    """Tell where the tables of a data set are made with another protocol."""
    if options.preset:
        usual = preset_named(options.preset).protocol
        if usual not in (options.protocol, *options.protocols):
            progress.note(f"tables of {options.preset} are mostly made with --protocol {usual}")
