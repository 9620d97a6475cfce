"""The same predictions under several protocols: what their rules have in common is done once."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from tsmfeat.kernels.pair_tious import MAX_THRESHOLDS
from tsmfeat.metrics.alignment import kept_truths
from tsmfeat.metrics.average_precision import Evaluation, summarize_matching
from tsmfeat.metrics.matching import Matching, Ranked, match_ranked, rank_predictions
from tsmfeat.metrics.protocols import Protocol
from tsmfeat.metrics.thresholds import require_thresholds
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments

_BARE = Protocol("", "", ())


@dataclass(frozen=True, eq=False)
class _Passes:
    """What has been ranked and matched so far, by the rules that made it."""

    predictions: Predictions
    annotations: Annotations
    is_clean: bool
    has_nan: bool
    ranked: dict[Protocol, Ranked] = field(default_factory=dict)
    matched: dict[tuple[Protocol, Protocol, tuple[float, ...]], Matching] = field(default_factory=dict)


def evaluate_protocols(
    predictions: Predictions,
    annotations: Annotations,
    protocols: Sequence[Protocol],
    tiou_thresholds: Sequence[float] | None = None,
) -> tuple[Evaluation, ...]:
    """Score the same predictions under several protocols.

    Rules that make no difference to the data at hand (those on ties where nothing ties, on reversed segments where
    there are none) set no two protocols apart: they share one ranking and one pass of matching, whose thresholds are
    those of all of them.

    Parameters
    ----------
    predictions, annotations
        As for `tsmfeat.evaluate`, all rows of which every protocol is to see.
    protocols
        Records.
    tiou_thresholds
        1 to 64 thresholds in (0, 1] for all of them; each protocol's own if not given.

    Returns
    -------
    tuple of Evaluation
        One a protocol, equal to what `tsmfeat.evaluate` returns for it.

    Raises
    ------
    ConfigurationError, InputError
        As in `tsmfeat.evaluate`.
    """
    scores = predictions.segments.score
    is_clean = _holds_plain_segments(predictions.segments) and _holds_plain_segments(annotations.segments)
    passes = _Passes(predictions, annotations, is_clean, bool(np.isnan(scores).any()))
    asked = [
        tuple(require_thresholds(record.tiou_thresholds if tiou_thresholds is None else tiou_thresholds).tolist())
        for record in protocols
    ]
    rules = [(_ranking_rule(record, passes), _matching_rule(record, passes)) for record in protocols]
    ranked = [_rank_once(rule, passes) for rule, _ in rules]
    effective = [_inclusive(record, own) for record, own in zip(protocols, asked, strict=True)]
    found = []
    for place, record in enumerate(protocols):
        sharing = [k for k in range(len(protocols)) if ranked[k] is ranked[place] and rules[k][1] == rules[place][1]]
        union = tuple(sorted({value for k in sharing for value in effective[k]}))
        union = union if len(union) <= MAX_THRESHOLDS else tuple(dict.fromkeys(effective[place]))
        matching = _match_once(rules[place], ranked[place], union, passes)
        columns = [union.index(value) for value in effective[place]]
        if matching.num_at_threshold and set(union) != set(effective[place]):
            own = match_ranked(ranked[place], rules[place][1], effective[place])
            matching = replace(matching, num_at_threshold=own.num_at_threshold)
        evaluation = summarize_matching(matching, record, predictions, annotations)
        found.append(_in_order_of(record, evaluation, annotations, asked[place], columns))
    return tuple(found)


def tie_range(
    predictions: Predictions, annotations: Annotations, protocol: Protocol, tiou_thresholds: Sequence[float]
) -> tuple[float, float]:
    """Return the average mAP with equal scores in the order of the file, and in its reverse.

    Examples
    --------
    >>> from tsmfeat.metrics.protocols import PAPER
    >>> from tsmfeat.values.vocabulary import Vocabulary
    >>> actions, none = Vocabulary(("walk",)), Vocabulary(())
    >>> truth = Annotations(("a",), actions, Segments([0], [0], [0.0], [9.0], [1.0]), [9.0], ("",), [-1], none)
    >>> found = Segments([0, 0], [0, 0], [0.0, 20.0], [9.0, 30.0], [0.5, 0.5])
    >>> tie_range(Predictions(("a",), actions, found), truth, PAPER, [0.5])
    (1.0, 0.5)
    """
    both = [replace(protocol, tie="stable"), replace(protocol, tie="revstable")]
    in_order, reversed_order = evaluate_protocols(predictions, annotations, both, tiou_thresholds)
    return in_order.average_map, reversed_order.average_map


def _holds_plain_segments(segments: Segments) -> bool:
    """Whether no rule on undefined tIoUs or least unions can matter."""
    with np.errstate(invalid="ignore", over="ignore"):
        duration = segments.end - segments.start
    return bool((np.isfinite(duration) & (duration > 1e-6)).all())


def _ranking_rule(record: Protocol, passes: _Passes) -> Protocol:
    """Return the record without what the data or the ranking do not look at."""
    truth = passes.annotations.segments
    kept = kept_truths(truth, record.gt_filter)
    names = {passes.annotations.vocabulary.names[label] for label in _used(truth.label[kept])}
    predicted = passes.predictions
    used = {predicted.vocabulary.names[label] for label in _used(predicted.segments.label)}
    unknown = "ignore" if used <= names else record.unknown
    return replace(
        _BARE,
        name=record.name if unknown == "error" or len(kept) == 0 else "",  # for the message
        tie="stable" if record.tie == "hits-first" else record.tie,
        nan_score=record.nan_score if passes.has_nan else "first",
        gt_filter="none" if len(kept) == len(truth) else record.gt_filter,
        unknown=unknown,
        outside_video=record.outside_video,
        class_order="vocabulary" if unknown == "collide" and record.class_order == "vocabulary" else "appearance",
        gt_tie=record.gt_tie if record.match == "det-greedy" else "later",
    )


def _used(label: npt.NDArray[np.int32]) -> list[int]:
    used: list[int] = np.flatnonzero(np.bincount(label)).tolist()
    return used


def _matching_rule(record: Protocol, passes: _Passes) -> Protocol:
    return replace(
        _BARE,
        undefined_tiou="zero" if passes.is_clean else record.undefined_tiou,
        eps=0.0 if passes.is_clean and record.eps <= 1e-6 else record.eps,
        iou=record.iou,
        tiou_type=record.tiou_type,
        match=record.match,
        ambiguous=record.ambiguous if len(passes.annotations.ambiguous) else "unused",
    )


def _rank_once(rule: Protocol, passes: _Passes) -> Ranked:
    in_file_order = replace(rule, tie="stable")
    for wanted in (in_file_order, rule):
        if wanted not in passes.ranked:
            passes.ranked[wanted] = rank_predictions(passes.predictions, passes.annotations, wanted)
        if passes.ranked[wanted].ranking.num_tied == 0:
            return passes.ranked[wanted]
    return passes.ranked[rule]


def _match_once(
    rules: tuple[Protocol, Protocol], ranked: Ranked, thresholds: tuple[float, ...], passes: _Passes
) -> Matching:
    key = (*rules, thresholds)
    if key not in passes.matched:
        shared = [one for (_, rule, union), one in passes.matched.items() if (rule, union) == key[1:]]
        same = [one for one in shared if one.rows is ranked.ranking.rows]
        passes.matched[key] = same[0] if same else match_ranked(ranked, rules[1], thresholds)
    return passes.matched[key]


def _inclusive(record: Protocol, thresholds: Sequence[float]) -> tuple[float, ...]:
    """Return thresholds that a tIoU must reach, whether the record asks it to reach or to exceed its own."""
    values = np.asarray(thresholds, np.float64)
    reached: list[float] = (np.nextafter(values, 2.0) if record.compare == "gt" else values).tolist()
    return tuple(reached)


def _in_order_of(
    record: Protocol,
    evaluation: Evaluation,
    annotations: Annotations,
    tiou_thresholds: tuple[float, ...],
    columns: list[int],
) -> Evaluation:
    rows: npt.NDArray[np.int64] = np.arange(len(evaluation.classes))
    if record.class_order == "vocabulary":
        rows = np.argsort([annotations.vocabulary.id_of(name) for name in evaluation.classes])
    return replace(
        evaluation,
        tiou_thresholds=tiou_thresholds,
        classes=tuple(evaluation.classes[row] for row in rows),
        ap=evaluation.ap[rows][:, columns],
    )
