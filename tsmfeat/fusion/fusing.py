"""Predictions of several models become one (section 3.3 of the paper)."""

from collections.abc import Sequence
from dataclasses import replace

from tsmfeat.errors import ConfigurationError
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.fusion.rules import fuse_rows, keep_best
from tsmfeat.fusion.scenes import average_scenes
from tsmfeat.fusion.stacking import stack_models
from tsmfeat.fusion.weights import check_weights
from tsmfeat.values.predictions import Predictions

_PAPER = FusionOptions()


def fuse(
    predictions: Sequence[Predictions], weights: Sequence[float] | None = None, options: FusionOptions = _PAPER
) -> Predictions:
    """Make one model's segments of several models', by the paper's rule or another.

    The paper's rule averages the segments that models share, then unites those that overlap (`FusionOptions` for the
    others).

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
    InputError
        A score below 0, and a fusion that multiplies by scores (wbf, soft-nms).

    Examples
    --------
    >>> from tsmfeat.values.segments import Segments
    >>> from tsmfeat.values.vocabulary import Vocabulary
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
        return _hand_through(models, options)
    stack = stack_models(models, options.decimals)
    segments = keep_best(stack.to_segments(fuse_rows(stack, checked, options)), stack.actions, options)
    scene_scores = average_scenes(models, checked, stack.video_ids, stack.scenes, options.missing == "zero")
    num_dropped = sum(len(model.segments) + model.num_dropped for model in models) - len(stack.owners)
    return Predictions(stack.video_ids, stack.actions, segments, stack.scenes, scene_scores, num_dropped)


def _hand_through(models: list[Predictions], options: FusionOptions) -> Predictions:
    if len(models) > 1:
        raise ConfigurationError(
            f"fusion 'none' with {len(models)} models; only one model can go without a fusion",
            "use --fusion paper, or name one source",
        )
    one = models[0]
    kept = keep_best(one.segments, one.vocabulary, options)
    return one if kept is one.segments else replace(one, segments=kept)
