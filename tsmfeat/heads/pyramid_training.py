"""A pyramid is trained: whole videos in, segments out, one run after another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tsmfeat.heads.adaptive_descent import AdaptiveDescent, begin_descent, clip_gradients, descend_adaptively
from tsmfeat.heads.batches import Batches, draw_inputs, make_batches, mask_views
from tsmfeat.heads.devices import resolve_device
from tsmfeat.heads.model import HeadParameters, equivalent_dropout
from tsmfeat.heads.optimization import learning_rate
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.pyramid import fold_pyramid, initial_pyramid
from tsmfeat.heads.pyramid_losses import place_losses
from tsmfeat.heads.pyramid_places import lay_places
from tsmfeat.heads.pyramid_targets import assign_places
from tsmfeat.heads.pyramid_torch import run_pyramid_torch
from tsmfeat.heads.pyramid_videos import TrainingVideos, choose_videos, group_videos
from tsmfeat.heads.randomness import random_bits
from tsmfeat.heads.selection import Selection, require_one_finite
from tsmfeat.heads.standardization import Standardization, measure_joined, no_standardization
from tsmfeat.heads.training import FittedHeads
from tsmfeat.values.annotations import NO_SCENE
from tsmfeat.values.progress import Progress, Silence

_SILENCE = Silence()
_INITIAL_DEVIATION = 0.001
_LONGEST_GRADIENT = 1.0
# Of all steps: the rate grows from 0, since the first gradients of a fresh pyramid point anywhere.
_WARM_UP_SHARE = 0.1
_OUTPUTS = ("action_weight", "action_bias", "scene_weight", "scene_bias")
LOSSES = ("action", "bounds", "interval", "scene")


@dataclass(frozen=True, eq=False)
class _Fit:
    data: TrainingVideos
    options: HeadOptions
    parameters: dict[str, Tensor]
    descent: AdaptiveDescent
    batches: Batches
    standardization: Standardization
    device: torch.device

    @property
    def tasks(self) -> tuple[str, ...]:
        """The losses there are."""
        return LOSSES if "scene_weight" in self.parameters else LOSSES[:3]


def train_pyramids(
    data: TrainingVideos,
    options: Sequence[HeadOptions],
    num_frames: int,
    validate: Callable[[HeadParameters], float] | None = None,
    progress: Progress = _SILENCE,
) -> list[FittedHeads]:
    """Fit pyramids of several runs on the same videos, one after another.

    The loss is the focal loss of all scores over the number of places that have an action, plus the distance-IoU loss
    of those places' bounds over the same number, plus the cross-entropy of the intervals' labels (said by a layer on
    level 0, which all else rests on: it asks every interval, where the pyramid asks a few places a segment), plus
    `scene_weight` times the cross-entropy of the videos' scenes.
    It is descended by AdamW (`momentum` is its beta 1) in batches of whole videos, about `batch_size` intervals each;
    the rate grows from 0 over the first tenth of the way, then follows the schedule. Inputs are dropped as a linear
    head's are.

    Parameters
    ----------
    data
        The training videos.
    options
        How to fit each run.
    num_frames
        Frames T of a clip (of the features' spec): dropout per frame depends on it.
    validate
        Called with the weights after each epoch; the first epoch with the highest score is kept. Without it, or
        where no score is above 0, the last epoch is.
    progress
        Told of every epoch.

    Returns
    -------
    list of FittedHeads
        One a run, in their order.

    Raises
    ------
    ConfigurationError
        No loss stays finite.
    InputError
        A training row is not finite.
    EnvironmentLackError
        A device that is not there.
    """
    progress.begin("fit heads", sum(one.epochs for one in options), "epochs")
    try:
        pairs = [
            _fit_one(data, one, num_frames, validate, _SILENCE if number else progress, progress)
            for number, one in enumerate(options)
        ]
        require_one_finite([selection for _, selection in pairs])
        return [fitted for fitted, _ in pairs]
    finally:
        progress.end()


def _fit_one(
    data: TrainingVideos,
    options: HeadOptions,
    num_frames: int,
    validate: Callable[[HeadParameters], float] | None,
    notes: Progress,
    progress: Progress,
) -> tuple[FittedHeads, Selection]:
    dropout = options.dropout
    if options.dropout_unit == "frame":
        dropout = equivalent_dropout(options.dropout, num_frames)
    fit = _prepare(data, options, dropout, notes)
    learned = _describe_targets(data, options)
    if learned["num_unlearned"]:
        notes.note(
            f"{learned['num_unlearned']} of {learned['num_segments']} training segments have no place of their own "
            "(beyond the last interval, or in the shadow of a shorter one) and are not learned"
        )
    selection = _run(fit, validate, progress)
    weights, epochs = selection.settle(progress)
    record = {
        "num_rows": len(data.features),
        "num_frames": num_frames,
        "tasks": ["action", "scene"][: len(fit.tasks) - 2],
        "num_parameters": sum(values.numel() for values in fit.parameters.values()),
        "dropout": options.dropout,
        "dropout_unit": options.dropout_unit,
        "dropout_used": dropout,
        "view_dropout": options.view_dropout,
        **learned,
        **epochs,
    }
    return FittedHeads(weights, record), selection


def _prepare(data: TrainingVideos, options: HeadOptions, dropout: float, progress: Progress) -> _Fit:
    if not len(data.segments.label):
        progress.warn("no training video has a segment: the heads will find nothing")
    rows = np.arange(len(data.features))
    if options.standardize:
        standardization = measure_joined(data.features, rows, data.views)
    else:
        standardization = no_standardization(data.features.shape[1])
    device = resolve_device(options.device)
    parameters = {
        name: torch.tensor(values, requires_grad=True, device=device)
        for name, values in _initial_parameters(data, options, progress).items()
    }
    decays = [options.weight_decay if name.endswith("_weight") else 0.0 for name in parameters]
    batches = make_batches(data.features, rows, standardization, dropout, options.seed)
    if data.views is not None:
        batches = mask_views(batches, data.views, options.view_dropout, options.seed)
    descent = begin_descent(list(parameters.values()), decays)
    return _Fit(data, options, parameters, descent, batches, standardization, device)


def _initial_parameters(
    data: TrainingVideos, options: HeadOptions, progress: Progress
) -> dict[str, npt.NDArray[np.float32]]:
    """Return the body, and the output layers of the tasks, each drawn from a stream of its own."""
    streams = {name: np.random.Generator(random_bits(options.seed, name)) for name in ("body", "action", "scene")}

    def draw(shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        return streams["body"].standard_normal(shape, np.float32)

    def output(name: str, count: int) -> npt.NDArray[np.float32]:
        return streams[name].standard_normal((count, options.hidden_size), np.float32) * np.float32(_INITIAL_DEVIATION)

    found = initial_pyramid(options, data.features.shape[1], data.num_actions, draw)
    found["action_weight"] = output("action", data.num_actions + 1)
    found["action_bias"] = np.zeros(data.num_actions + 1, np.float32)
    if "scene" not in options.tasks:
        return found
    if not data.knows_scenes():
        progress.note("no training video has a scene: only actions are fitted")
        return found
    found["scene_weight"] = output("scene", data.num_scenes)
    found["scene_bias"] = np.zeros(data.num_scenes, np.float32)
    return found


def _describe_targets(data: TrainingVideos, options: HeadOptions) -> dict[str, int]:
    targets = assign_places(lay_places(data.row_offset, options.num_levels), data.segments)
    return {
        "num_segments": len(data.segments.label),
        "num_unlearned": int(np.count_nonzero(~targets.is_learned)),
        "num_positive_places": len(targets.regressed),
    }


def _run(fit: _Fit, validate: Callable[[HeadParameters], float] | None, progress: Progress) -> Selection:
    selection = Selection(validate is not None, fit.options.patience)
    for epoch in range(fit.options.epochs):
        losses = _run_epoch(fit, epoch)
        weights = _folded(fit)
        if not selection.is_finite(weights, losses, fit.options.lr):
            progress.advance(fit.options.epochs - epoch)
            break
        named = {f"{name}_loss": float(loss) for name, loss in zip(fit.tasks, losses, strict=True)}
        record = {"epoch": epoch + 1, "lr": _rate(fit.options, epoch), **named}
        selection.show(weights, record, None if validate is None else float(validate(weights)))
        progress.advance(1, ", ".join(f"{name.replace('_', ' ')} {loss:.4f}" for name, loss in named.items()))
        if selection.ended:
            progress.advance(fit.options.epochs - epoch - 1)
            break
    return selection


def _run_epoch(fit: _Fit, epoch: int) -> npt.NDArray[np.float64]:
    some = np.flatnonzero(np.diff(fit.data.row_offset) > 0)
    order = some[fit.batches.order.permutation(len(some))]
    groups = group_videos(fit.data.row_offset, order, fit.options.batch_size)
    sums = np.zeros(len(fit.tasks))
    for number, videos in enumerate(groups):
        sums += _step(fit, videos, _rate(fit.options, epoch + number / len(groups)))
    return sums / len(groups)


def _rate(options: HeadOptions, epoch: float) -> float:
    """Return the learning rate at a time in epochs."""
    begun = min(1.0, (epoch / options.epochs + 1e-3) / _WARM_UP_SHARE)
    return learning_rate(options, int(epoch), epoch % 1.0) * begun


def _step(fit: _Fit, videos: npt.NDArray[np.int64], lr: float) -> npt.NDArray[np.float64]:
    chosen = choose_videos(fit.data, videos)
    places = lay_places(chosen.row_offset, fit.options.num_levels)
    targets = assign_places(places, chosen.segments)
    inputs = draw_inputs(fit.batches, chosen.rows, chosen.row_offset).to(fit.device)
    body = {name: values for name, values in fit.parameters.items() if name not in _OUTPUTS}
    found = run_pyramid_torch(body, inputs, places)
    labels = torch.from_numpy(fit.data.label[chosen.rows]).to(fit.device)
    losses = [*place_losses(found, targets), _output_loss(fit, "action", found.ground, labels)]
    if "scene_weight" in fit.parameters:
        losses.append(_output_loss(fit, "scene", found.pooled, torch.from_numpy(chosen.scene).to(fit.device)))
    factors = (1.0, 1.0, 1.0, fit.options.scene_weight)
    total = torch.stack([factor * loss for factor, loss in zip(factors, losses, strict=False)]).sum()
    gradients = list(torch.autograd.grad(total, list(fit.parameters.values())))
    clip_gradients(gradients, _LONGEST_GRADIENT)
    descend_adaptively(fit.descent, gradients, lr, fit.options.momentum)
    return torch.stack(losses).detach().cpu().numpy().astype(np.float64)


def _output_loss(fit: _Fit, name: str, values: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean cross-entropy of an output layer; a target of -1 is unknown."""
    scores = torch.addmm(fit.parameters[f"{name}_bias"], values, fit.parameters[f"{name}_weight"].t())
    losses = torch.nn.functional.cross_entropy(scores, wanted, ignore_index=NO_SCENE, reduction="sum")
    return losses / max(int((wanted != NO_SCENE).sum()), 1)


def _folded(fit: _Fit) -> HeadParameters:
    arrays = {name: values.detach().cpu().numpy().copy() for name, values in fit.parameters.items()}
    action = arrays.pop("action_weight"), arrays.pop("action_bias")
    scene = arrays.pop("scene_weight", None), arrays.pop("scene_bias", None)
    # Not trained, but part of what the heads say.
    body = fold_pyramid(arrays, fit.standardization) | {"nms_sigma": np.full(1, fit.options.nms_sigma, np.float32)}
    weights = HeadParameters(*action, *scene, kind="pyramid", body=body)
    if fit.batches.views is None:
        return weights
    # What is 0 after standardisation, as a missing view was in training.
    return replace(weights, missing=fit.standardization.mean.astype(np.float32))
