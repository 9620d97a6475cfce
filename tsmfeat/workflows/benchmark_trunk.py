"""The benchmark's trunk is trained on rendered clips of other seeds."""

import time
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tsmfeat import rendered_benchmark
from tsmfeat.files import write_atomically
from tsmfeat.rendered_benchmark.actions import ACTION_PAIRS, ACTIONS, SCENES
from tsmfeat.rendered_benchmark.scripts import GENERATOR_VERSION
from tsmfeat.trunk.checkpoint import save_trunk
from tsmfeat.trunk.narrow import NarrowTrunk
from tsmfeat.trunk.narrow_names import SHIFTED, UNSHIFTED
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.workflows.benchmark_clips import ClipDealer, LabelledClips, render_labelled
from tsmfeat.workflows.benchmark_options import STEPS, TrunkTrainingOptions

_SILENCE = Silence()
_PACKAGED = Path(rendered_benchmark.__file__).with_name("trunk.safetensors")
_CLIPS_PER_VALIDATION_VIDEO = 10
_STEPS_BETWEEN_NOTES = 100


@dataclass(frozen=True)
class TrunkTrainingReport:
    """What `train_benchmark_trunk` did.

    Parameters
    ----------
    out
        The trunk's checkpoint.
    validation
        ``action``: share of clips whose largest action has the largest output; ``direction``: share of the clips of
        paired actions in which the right one of the pair has the larger output; ``scene``: share of right scenes.
    losses
        Mean training loss of every hundred steps.
    seconds_rendering, seconds_training
        Wall time.
    """

    out: str
    validation: dict[str, float]
    losses: list[float]
    seconds_rendering: float
    seconds_training: float


def copy_benchmark_trunk(out: Path) -> Path:
    """Copy the trained trunk that comes with the package to a file, and return its path.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    write_atomically(out, [_PACKAGED.read_bytes()])
    return out


class _Learner(nn.Module):
    """The trunk with the layers that are thrown away after training."""

    def __init__(self, options: TrunkTrainingOptions) -> None:
        super().__init__()
        self.trunk = NarrowTrunk(options.num_frames, options.shift)
        self.dropout = nn.Dropout(options.dropout)
        self.action = nn.Linear(self.trunk.embedding_size, len(ACTIONS))
        self.scene = nn.Linear(self.trunk.embedding_size, len(SCENES))
        self._mean, self._std = (torch.tensor(value).view(3, 1, 1) for value in (self.trunk.mean, self.trunk.std))

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return action and scene outputs of uint8 frames ``[clips, T, H, W, 3]``."""
        values = frames.permute(0, 1, 4, 2, 3).float() / 255
        if self.training:
            # Other light and other cameras; colours stay nearly what they are, since scenes are told by them.
            values = values * (0.75 + 0.5 * torch.rand(len(frames), 1, 1, 1, 1))
            values = values * (0.9 + 0.2 * torch.rand(len(frames), 1, 3, 1, 1))
        inputs = (values - self._mean) / self._std
        embeddings = self.dropout(self.trunk(inputs).float())
        return self.action(embeddings), self.scene(embeddings)


def train_benchmark_trunk(
    out: Path, options: TrunkTrainingOptions | None = None, progress: Progress = _SILENCE
) -> TrunkTrainingReport:
    """Train the benchmark's trunk on rendered videos, and save it without its classifiers.

    Frames are neither mirrored nor reversed: that would turn one action into another.

    Parameters
    ----------
    out
        The checkpoint to write (safetensors), for ``--trunk python:tsmfeat.trunk.narrow:shifted`` (or ``unshifted``).
    options
        `TrunkTrainingOptions`; its defaults where None.
    progress
        Told of videos and steps.

    Returns
    -------
    TrunkTrainingReport

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    options = options or TrunkTrainingOptions()
    began = time.monotonic()
    videos = render_labelled(options.num_videos, options.seed, "trunk", options.resize, progress)
    others = render_labelled(options.num_validation, options.seed, "trunk validation", options.resize, progress)
    rendered = time.monotonic()
    dealer = ClipDealer(videos, options.num_frames, STEPS, _stream(options.seed, "trunk batches"), True)
    judges = ClipDealer(others, options.num_frames, STEPS, _stream(options.seed, "trunk validation clips"))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(int(_stream(options.seed, "trunk parameters").integers(2**31)))
        learner = _Learner(options).to(memory_format=torch.channels_last)
        losses = _descend(learner, dealer, options, progress)
    validation = _validate(learner, judges.deal(options.num_validation * _CLIPS_PER_VALIDATION_VIDEO))
    trained = time.monotonic()
    save_trunk(out, learner.trunk, _header(options, validation))
    return TrunkTrainingReport(str(out), validation, losses, rendered - began, trained - rendered)


def _stream(seed: int, name: str) -> np.random.Generator:
    """Return the random numbers of one purpose: what shares a seed shares nothing else."""
    return np.random.default_rng([seed, GENERATOR_VERSION, zlib.crc32(name.encode())])


def _descend(learner: _Learner, dealer: ClipDealer, options: TrunkTrainingOptions, progress: Progress) -> list[float]:
    optimizer = torch.optim.AdamW(learner.parameters(), options.lr, weight_decay=options.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.lr, options.steps)
    learner.train()
    losses: list[float] = []
    progress.begin("train", options.steps, "steps")
    try:
        for _ in range(options.steps):
            loss = _loss(learner, dealer.deal(options.batch_size), options.scene_weight)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
            progress.advance(1, f"loss {losses[-1]:.3f}")
    finally:
        progress.end()
    steps = range(0, options.steps, _STEPS_BETWEEN_NOTES)
    return [float(np.mean(losses[at : at + _STEPS_BETWEEN_NOTES])) for at in steps]


def _loss(learner: _Learner, clips: LabelledClips, scene_weight: float) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        action, scene = learner(torch.from_numpy(clips.frames))
    # A sum over the actions: most of them are absent, and a mean would drown those that are there.
    acts = functional.binary_cross_entropy_with_logits(action.float(), torch.from_numpy(clips.shares), reduction="sum")
    places = functional.cross_entropy(scene.float(), torch.from_numpy(clips.scenes))
    return acts / len(clips.scenes) + scene_weight * places


def _validate(learner: _Learner, clips: LabelledClips) -> dict[str, float]:
    learner.eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        parts = [learner(frames) for frames in torch.split(torch.from_numpy(clips.frames), 100)]
    action, scene = (torch.cat(part).float().numpy() for part in zip(*parts, strict=True))
    acts = clips.shares.max(axis=1) >= 0.5
    truth = clips.shares.argmax(axis=1)
    right = action.argmax(axis=1) == truth
    turned = np.arange(len(ACTIONS))
    for one, other in ACTION_PAIRS:
        a, b = ACTIONS.index(one), ACTIONS.index(other)
        turned[a], turned[b] = b, a
    rows = np.flatnonzero(acts & (turned[truth] != truth))
    directed = action[rows, truth[rows]] > action[rows, turned[truth[rows]]]
    scenes = scene.argmax(axis=1) == clips.scenes
    return {"action": float(right[acts].mean()), "direction": float(directed.mean()), "scene": float(scenes.mean())}


def _header(options: TrunkTrainingOptions, validation: dict[str, float]) -> dict[str, Any]:
    return {
        "trunk": SHIFTED if options.shift else UNSHIFTED,
        "generator": GENERATOR_VERSION,
        "options": asdict(options),
        "validation": validation,
    }
