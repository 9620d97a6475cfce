"""Interval scores become segments, with costs for changes of label where annotations are given to learn them from."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tsmfeat.formats.reading import read_annotations
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.targets import interval_targets
from tsmfeat.localization.localizing import localize
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.localization.transitions import learn_transition_costs
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.predictions import IntervalScores, Predictions
from tsmfeat.values.vocabulary import Vocabulary
from tsmfeat.workflows.grids import annotated_offsets
from tsmfeat.workflows.splits import choose_training_subset


def read_transitions(path: str | Path) -> Annotations | None:
    """Return the annotations that costs of changing the label are learned from.

    Parameters
    ----------
    path
        Annotations of any known format: their training subset where one is called so, else all; empty: none.

    Raises
    ------
    TsmfeatError
        They cannot be read.
    """
    return choose_training_subset(read_annotations(path), "") if path else None


def localize_with_transitions(
    scores: IntervalScores, options: LocalizationOptions, transitions: Annotations | None = None
) -> Predictions:
    """Localise, with what changes of label cost by annotations.

    Parameters
    ----------
    scores
        Of one source; its step and vocabulary are those that the costs are learned on.
    options
        The rules.
    transitions
        Of `read_transitions`; None: every change costs the same.

    Returns
    -------
    Predictions

    Raises
    ------
    ConfigurationError
        Annotations, and a smoothing other than ``viterbi``.
    """
    if transitions is None:
        return localize(scores, options)
    return localize(scores, options, learn_transitions(transitions, scores.vocabulary, scores.step_seconds))


def learn_transitions(truth: Annotations, vocabulary: Vocabulary, step_seconds: float) -> npt.NDArray[np.float64]:
    """Return what changes of label cost on a grid, by how annotated labels follow each other.

    Parameters
    ----------
    truth
        Annotated videos; one of unknown duration ends with its last segment.
    vocabulary
        C classes of the scores; neighbours of another class count for nothing.
    step_seconds
        The grid's step t.

    Returns
    -------
    float64 (C + 1, C + 1)
        As `tsmfeat.localization.transitions.learn_transition_costs` says.
    """
    offsets = annotated_offsets(truth, step_seconds)
    labels = interval_targets(truth, truth.video_ids, offsets, step_seconds, HeadOptions.min_overlap)
    named = [vocabulary.id_of(name) if name in vocabulary else -1 for name in truth.vocabulary.names]
    translated = np.array([*named, vocabulary.background], np.int32)[labels]
    return learn_transition_costs(offsets, translated, len(vocabulary) + 1)
