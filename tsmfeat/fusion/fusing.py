"""Predictions of several models become one (section 3.3 of the paper)."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from tsmfeat.errors import ConfigurationError
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.fusion.scenes import average_scenes
from tsmfeat.fusion.weights import check_weights
from tsmfeat.kernels.absorption import unite_absorb
from tsmfeat.kernels.averages import Voices, average_segments
from tsmfeat.kernels.rows import Rows, empty_rows, first_rows, halve_rows, scale_rows
from tsmfeat.kernels.unions import unite_components, unite_sweep
from tsmfeat.values.predictions import Predictions
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary

_PAPER = FusionOptions()


def fuse(
    predictions: Sequence[Predictions], weights: Sequence[float] | None = None, options: FusionOptions = _PAPER
) -> Predictions:
    """Average the segments that models share, then unite those that overlap.

    Videos, actions and scenes are found by name; those of the result are all that occur, by first appearance.
    Segments are the same if label, start and end agree, the bounds rounded (half to even) to ``options.decimals``;
    one a model says twice counts with its highest score. The result's bounds are the rounded ones, and tIoUs are
    taken in whole units of the rounding, so a tIoU of exactly the threshold never passes by rounding error.

    Parameters
    ----------
    predictions
        One for each model. A single one is treated by the same rule.
    weights
        One for each model, finite and >= 0; they act by their share of the sum. A model of weight 0 is left out
        wholly. None: all equal.
    options
        The rules; the defaults are the paper's.

    Returns
    -------
    Predictions
        Segments by video, label, start. `num_dropped` adds those left out here (not finite, or of no
        length once rounded) to what the readers left out.

    Raises
    ------
    ConfigurationError
        No model, weights that do not fit, or ``fusion="none"`` with several models.

    Examples
    --------
    >>> run = Vocabulary(("run",))
    >>> first = Predictions(("a",), run, Segments([0], [0], [0.0], [5.0], [0.8]))
    >>> second = Predictions(("a",), run, Segments([0], [0], [0.0], [5.0], [0.6]))
    >>> fuse([first, second], weights=[3, 1]).segments.score.round(9).tolist()
    [0.75]
    """
    checked = check_weights(weights, len(predictions))
    models = [model for model, weight in zip(predictions, checked, strict=True) if weight > 0]
    checked = checked[checked > 0]
    if options.fusion == "none":
        return _require_single(models)
    video_ids = _list_names(model.video_ids for model in models)
    actions = Vocabulary(_list_names(model.vocabulary.names for model in models))
    scenes = Vocabulary(_list_names(model.scene_vocabulary.names for model in models))
    absent_counts, unit = options.missing == "zero", float(10**options.decimals)
    # Room for the rows and their averages at once: fresh memory costs as much as the work on it.
    room, averages = halve_rows(empty_rows(2 * sum(len(model.segments) for model in models)))
    rows, owners = _stack_models(models, video_ids, actions, unit, room)
    fused = _unite(average_segments(rows, Voices(owners, checked), absent_counts, averages), options)
    scene_scores = average_scenes(models, checked, video_ids, scenes, absent_counts)
    num_dropped = sum(len(model.segments) + model.num_dropped for model in models) - len(owners)
    return Predictions(video_ids, actions, _to_segments(fused, unit), scenes, scene_scores, num_dropped)


def _require_single(models: list[Predictions]) -> Predictions:
    if len(models) > 1:
        raise ConfigurationError(
            f"fusion 'none' with {len(models)} models; only one model can go without a fusion",
            "use --fusion paper, or name one source",
        )
    return models[0]


def _list_names(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for names in lists for name in names))


def _stack_models(
    models: list[Predictions], video_ids: tuple[str, ...], actions: Vocabulary, unit: float, room: Rows
) -> tuple[Rows, npt.NDArray[np.int32]]:
    """Lay the models' segments one after another, bounds in whole units, and leave out what has no length."""
    place_of = {name: place for place, name in enumerate(video_ids)}
    owners = np.empty(len(room.score), np.int32)
    count = 0
    for number, model in enumerate(models):
        found = model.segments
        maps = (
            np.array([place_of[name] for name in model.video_ids], np.int32),
            actions.ids_of(model.vocabulary.names),
        )
        rows = Rows(found.video, found.label, found.start, found.end, found.score)
        # What overflows becomes infinite and is left out with the rest that is not finite.
        with np.errstate(over="ignore"):
            after = scale_rows(rows, maps, unit, room, count)
        owners[count:after] = number
        count = after
    return first_rows(room, count), owners[:count]


def _unite(rows: Rows, options: FusionOptions) -> Rows:
    if options.fusion_tiou is None or options.union == "none":
        return rows
    threshold = float(options.fusion_tiou)
    if options.union == "absorb":
        return unite_absorb(rows, threshold, in_place=True)  # the averages are nobody else's
    return {"components": unite_components, "sweep": unite_sweep}[options.union](rows, threshold)


def _to_segments(rows: Rows, unit: float) -> Segments:
    # Adding 0 turns -0 into 0. Copies, so that the result does not keep all the room alive.
    start, end = rows.start / unit + 0.0, rows.end / unit + 0.0
    return Segments(rows.video.copy(), rows.label.copy(), start, end, rows.score.copy())
