"""Annotated videos from a seed: the demo's and the tests' data. numpy only.

Every pair of actions shows the *same frames in opposite order* (moving left / right, up / down, growing / shrinking,
circling one way / the other), so nothing that ignores the order of frames can tell the two apart.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsmfeat.values.annotations import Annotations
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary

GENERATOR_VERSION = 1
ACTION_PAIRS = (
    ("move left", "move right"),
    ("move up", "move down"),
    ("grow", "shrink"),
    ("circle clockwise", "circle counterclockwise"),
)
ACTIONS = tuple(name for pair in ACTION_PAIRS for name in pair)
SCENES = ("kitchen", "garage", "garden", "office")
SUBSETS = ("training", "validation", "testing")

_RATES = (12.5, 15.0, 20.0, 24.0, 25.0)
_SIZES = ((96, 96), (96, 128), (112, 96), (128, 128))
# How likely each pair (columns as in ACTION_PAIRS) is in each scene: as cooking in kitchens, not exclusive.
_PAIR_SHARES = np.array([[0.1, 0.1, 0.2, 0.6], [0.6, 0.1, 0.2, 0.1], [0.1, 0.6, 0.1, 0.2], [0.2, 0.2, 0.5, 0.1]])
# Background colours of the scenes (red, green, blue), dark enough for one bright object to stand out.
_SCENE_COLOURS = np.array([[96, 72, 60], [70, 74, 84], [52, 88, 50], [84, 84, 66]], np.float32)
# How long one showing of each pair takes; growing moves edges the least, so it is the fastest.
_CYCLE_SECONDS = ((0.9, 1.3), (0.9, 1.3), (0.8, 1.1), (0.9, 1.3))
_NUM_NOISE_TILES = 8


@dataclass(frozen=True)
class VideoScript:
    """What happens in one rendered video; equal scripts render to equal frames.

    Parameters
    ----------
    video_id, subset, scene
        As they stand in the annotations.
    frame_rate
        Frames a second.
    height, width
        Pixels.
    duration_seconds
        Length; a whole number of frames.
    segments
        ``(action, start, end)`` in seconds, in order, without overlap.
    seed
        Of everything else: texture, colours, paths, noise.
    """

    video_id: str
    subset: str
    scene: str
    frame_rate: float
    height: int
    width: int
    duration_seconds: float
    segments: tuple[tuple[str, float, float], ...]
    seed: int

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return round(self.duration_seconds * self.frame_rate)


def write_scripts(num_training: int, num_validation: int, num_testing: int, seed: int = 0) -> list[VideoScript]:
    """Invent the videos of a data set, split by video.

    Parameters
    ----------
    num_training, num_validation, num_testing
        Videos of each subset.
    seed
        Of the whole data set.

    Examples
    --------
    >>> scripts = write_scripts(2, 1, 1)
    >>> [(s.video_id, s.subset) for s in scripts][:2]
    [('video_000', 'training'), ('video_001', 'training')]
    """
    subsets = np.repeat(SUBSETS, [num_training, num_validation, num_testing])
    return [_write_script(index, str(subset), seed) for index, subset in enumerate(subsets)]


def _write_script(index: int, subset: str, seed: int) -> VideoScript:
    rng = np.random.default_rng([seed, GENERATOR_VERSION, index])
    scene = int(rng.integers(len(SCENES)))
    height, width = _SIZES[rng.integers(len(_SIZES))]
    frame_rate = float(_RATES[rng.integers(len(_RATES))])
    duration = round(rng.uniform(18.0, 26.0) * frame_rate) / frame_rate
    segments = tuple(_invent_segments(rng, scene, duration))
    return VideoScript(
        f"video_{index:03d}",
        subset,
        SCENES[scene],
        frame_rate,
        height,
        width,
        duration,
        segments,
        seed * 1_000_003 + index,
    )


def _invent_segments(rng: np.random.Generator, scene: int, duration: float) -> Iterator[tuple[str, float, float]]:
    """Yield bouts of one pair: its two actions in turn, without a pause between them.

    A head that cannot tell them apart then finds one long segment where there are several short ones; with a pause
    after each it would be right half of the time by naming always the same one.
    """
    at = rng.uniform(0.5, 2.0)
    while True:
        pair = ACTION_PAIRS[rng.choice(len(ACTION_PAIRS), p=_PAIR_SHARES[scene])]
        first = rng.integers(2)
        for turn in range(rng.integers(3, 5)):
            start, at = at, at + rng.uniform(2.0, 3.5)
            if round(at, 1) > duration:
                return
            yield pair[(first + turn) % 2], round(start, 1), round(at, 1)
        at += rng.uniform(1.0, 2.5)


def annotate_scripts(scripts: list[VideoScript]) -> Annotations:
    """Return the ground truth of rendered videos."""
    rows = [(v, ACTIONS.index(label), start, end) for v, s in enumerate(scripts) for label, start, end in s.segments]
    video, label, start, end = np.array(rows, np.float64).reshape(-1, 4).T
    return Annotations(
        tuple(script.video_id for script in scripts),
        Vocabulary(ACTIONS),
        Segments(video.astype(np.int32), label.astype(np.int32), start, end, np.ones(len(rows))),
        np.array([script.duration_seconds for script in scripts]),
        tuple(script.subset for script in scripts),
        np.array([SCENES.index(script.scene) for script in scripts]),
        Vocabulary(SCENES),
    )


def render_frames(script: VideoScript) -> Iterator[npt.NDArray[np.uint8]]:
    """Draw a video, frame by frame.

    Yields
    ------
    uint8 (height, width, 3)
        RGB. A static textured background with static props, one bright object, and noise of a few grey levels.
    """
    rng = np.random.default_rng([script.seed, GENERATOR_VERSION])
    background = _draw_background(rng, script)
    noise = rng.integers(-3, 4, (_NUM_NOISE_TILES, script.height, script.width, 1)).astype(np.float32)
    colour = rng.uniform(200.0, 255.0, 3).astype(np.float32)
    track = _plan_track(rng, script)
    for index in range(script.num_frames):
        frame = background.copy()
        centre_y, centre_x, radius = track[index]
        if np.isfinite(radius):
            _draw_disc(frame, centre_y, centre_x, radius, colour)
        frame += noise[rng.integers(_NUM_NOISE_TILES)]
        yield np.clip(frame, 0, 255).astype(np.uint8)


def _draw_background(rng: np.random.Generator, script: VideoScript) -> npt.NDArray[np.float32]:
    height, width = script.height, script.width
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / max(height, width)
    image = np.tile(_SCENE_COLOURS[SCENES.index(script.scene)], (height, width, 1))
    for _ in range(4):
        frequency, angle, phase = rng.uniform(4, 20), rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
        wave = np.sin(frequency * (np.cos(angle) * x + np.sin(angle) * y) * 2 + phase)
        image += (wave * rng.uniform(2, 6))[..., None]
    for _ in range(rng.integers(1, 4)):
        centre_y, centre_x, radius = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(3, 8)
        _draw_disc(image, centre_y, centre_x, radius, rng.uniform(30, 130, 3).astype(np.float32))
    return image


def _draw_disc(
    image: npt.NDArray[np.float32], centre_y: float, centre_x: float, radius: float, colour: npt.NDArray[np.float32]
) -> None:
    # Only the box around the disc is touched: drawing is most of the cost of rendering.
    top, bottom = max(int(centre_y - radius - 1), 0), min(int(centre_y + radius + 3), image.shape[0])
    left, right = max(int(centre_x - radius - 1), 0), min(int(centre_x + radius + 3), image.shape[1])
    if top >= bottom or left >= right:
        return
    dy = np.arange(top, bottom, dtype=np.float32) - np.float32(centre_y)
    dx = np.arange(left, right, dtype=np.float32) - np.float32(centre_x)
    cover = np.clip(radius + 0.5 - np.hypot(dy[:, None], dx[None, :]), 0, 1)[..., None]
    box = image[top:bottom, left:right]
    box += cover * (colour - box)


def _plan_track(rng: np.random.Generator, script: VideoScript) -> npt.NDArray[np.float64]:
    """Return centre_y, centre_x and radius in pixels for every frame; NaN where no object is seen."""
    times = np.arange(script.num_frames) / script.frame_rate
    track = np.full((len(times), 3), np.nan)
    side = min(script.height, script.width)
    for label, start, end in script.segments:
        rows = np.flatnonzero((times >= start) & (times < end))
        period = rng.uniform(*_CYCLE_SECONDS[_pair_of(label)])
        cycles, place = np.divmod((times[rows] - start) / period, 1.0)
        for cycle in np.unique(cycles):
            inside = cycles == cycle
            track[rows[inside]] = _draw_cycle(rng, label, place[inside], side)
    track[:, 0] *= script.height
    track[:, 1] *= script.width
    return track


def _draw_cycle(
    rng: np.random.Generator, label: str, place: npt.NDArray[np.float64], side: int
) -> npt.NDArray[np.float64]:
    # The second action of a pair is the first one with its time reversed: same frames, opposite order.
    pair = _pair_of(label)
    forward = place if label == ACTION_PAIRS[pair][0] else 1.0 - place
    across, radius = rng.uniform(0.3, 0.7), side * rng.uniform(0.09, 0.13)
    one = np.ones_like(forward)
    if pair == 0:
        return np.stack([across * one, 0.88 - 0.76 * forward, radius * one], axis=1)
    if pair == 1:
        return np.stack([0.88 - 0.76 * forward, across * one, radius * one], axis=1)
    if pair == 2:
        return np.stack([across * one, rng.uniform(0.3, 0.7) * one, side * (0.04 + 0.38 * forward)], axis=1)
    angle = 2 * np.pi * (forward + rng.uniform())
    return np.stack([0.5 + 0.28 * np.sin(angle), 0.5 + 0.28 * np.cos(angle), radius * one], axis=1)


def _pair_of(label: str) -> int:
    return ACTIONS.index(label) // 2
