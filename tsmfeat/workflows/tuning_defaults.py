"""What is searched where nobody says it: what usually matters, as far as the sources allow it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tsmfeat.fusion.options import FusionOptions
from tsmfeat.priors.options import PriorOptions
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.workflows.tuning_settings import Setting, Value
from tsmfeat.workflows.video_priors import Source

Values = dict[str, tuple[Value, ...]]

_SMOOTHINGS = ("none", *(f"mean:{width}" for width in (3, 5, 9, 15, 21, 31)), *(f"gaussian:{n}" for n in (1, 2, 4, 8)))
# Of viterbi, in units of the range that nine in ten scores lie in.
_COSTS = (0.5, 1, 2, 4, 8)
_THRESHOLDS: tuple[Value, ...] = (0.5, 0.1, 0.2, 0.3, 0.4, 0.6, 0.7, (0.2, 0.5), (0.1, 0.3, 0.5), (0.3, 0.5, 0.7))
_GAPS = (0, 1, 2, 4)
# In steps of the coarsest grid: shorter segments than one are none.
_SHORTEST = (0, 2, 4, 8, 16)
_TIOUS = (0.5, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8)
_SIGMAS = (0.5, 0.25, 1.0)
_SHARES = (0.01, 0.05)


def base_setting(sources: Sequence[Source]) -> Setting:
    """Return the setting of the paper; a single source is fused with nothing."""
    return Setting(fusion=FusionOptions(fusion="none")) if len(sources) == 1 else Setting()


def default_values(sources: Sequence[Source], prior: PriorOptions) -> Values:
    """Return what to try of each option.

    Parameters
    ----------
    sources
        Thresholds are tried on probabilities only, fusions that multiply by scores on scores that are 0 or more; what
        is between scores and segments only where there are interval scores; weights and unions only of several.
    prior
        Its strengths are tried where there is one.
    """
    found: Values = {}
    scored = [source for source in sources if isinstance(source, IntervalScores)]
    if scored:
        found |= _localization_values(scored)
    if prior.asked:
        found["gamma"] = (0.0, *(gamma for gamma in prior.gammas if gamma > 0))
    found |= _fusion_values(len(sources), min(map(_lowest_score, sources)), max(map(_highest_score, sources)))
    if len(sources) > 1:
        found["weights"] = ((), *_list_weights(len(sources)))
    return found


def _localization_values(scored: Sequence[IntervalScores]) -> Values:
    step = max(source.step_seconds for source in scored)
    found: Values = {
        "smooth": (*_SMOOTHINGS, *(f"viterbi:{cost * _spread(scored):.3g}" for cost in _COSTS)),
        "max-gap": _GAPS,
        "min-duration": tuple(step * n for n in _SHORTEST),
        "refine": (False, True),
        "segment-score": ("max", "mean"),
    }
    if all(_lowest_score(source) >= 0 and _highest_score(source) <= 1 for source in scored):
        found |= {"localize": ("argmax", "threshold"), "threshold": _THRESHOLDS}
    if not any(np.isnan(source.duration_seconds).any() for source in scored):
        found["tail"] = ("drop", "extend")
    return found


def _fusion_values(num_sources: int, lowest: float, highest: float) -> Values:
    of_scores = ("wbf", "soft-nms") if 0 <= lowest <= highest else ()
    found: Values = {"fusion": ("none", "nms", *of_scores), "fusion-tiou": _TIOUS}
    if of_scores:
        found |= {"fusion-sigma": _SIGMAS, "fusion-min-score": (None, *(share * highest for share in _SHARES))}
    if num_sources > 1:
        found |= {
            "fusion": ("paper", "nms", *of_scores),
            "missing": ("zero", "present"),
            "union": ("absorb", "none"),
        }
    return found


def _list_weights(count: int) -> list[tuple[float, ...]]:
    """Return weights that favour, halve or leave out one of the sources."""
    shares = (0.0, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 1.0) if count == 2 else (0.0, 0.5 / count, 2 / count, 0.7, 1.0)
    listed = []
    for favoured in range(1 if count == 2 else count):
        for share in shares:
            rest = round((1 - share) / (count - 1), 6)
            listed.append(tuple(share if place == favoured else rest for place in range(count)))
    return listed


def _lowest_score(source: Source) -> float:
    return float(np.nanmin(_scores_of(source), initial=np.inf))


def _highest_score(source: Source) -> float:
    return float(np.nanmax(_scores_of(source), initial=-np.inf))


def _spread(scored: Sequence[IntervalScores]) -> float:
    scores = np.concatenate([source.scores.ravel() for source in scored])
    known = scores[~np.isnan(scores)]
    if not len(known):
        return 1.0
    low, high = np.quantile(known, (0.05, 0.95))
    return float(high - low) or 1.0


def _scores_of(source: Source) -> npt.NDArray[np.floating[Any]]:
    return source.scores if isinstance(source, IntervalScores) else source.segments.score
