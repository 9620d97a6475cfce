"""The pictures of the rendered benchmark: each view has a camera of its own."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tsmfeat.rendered_benchmark.actions import SCENES
from tsmfeat.rendered_benchmark.motions import Shape, move_shapes
from tsmfeat.rendered_benchmark.scripts import VIEWS, BenchmarkScript

Floats = npt.NDArray[np.float32]

PIXELS_PER_UNIT = 64
# Left and right edge of what each view sees of a world 2 wide: the front view only its middle half.
VIEW_EDGES = {"panoramic": (0.0, 2.0), "front_view": (0.5, 1.5)}

# Colours (red, green, blue) and the direction of the main stripes of each scene.
_COLOURS = np.array(
    [[96, 72, 60], [70, 74, 84], [52, 88, 50], [84, 84, 66], [92, 66, 84], [64, 84, 88], [80, 92, 60], [74, 62, 56]]
)
_STRIPES = ((9, 0.0), (14, 1.57), (20, 0.8), (6, 1.57), (12, 2.3), (17, 0.0), (8, 0.8), (22, 1.57))
_NUM_NOISE_TILES = 8
# The camera trembles by so many pixels at most.
_MARGIN = 3


def render_view(
    script: BenchmarkScript, view: str, window: tuple[int, int] | None = None
) -> Iterator[npt.NDArray[np.uint8]]:
    """Draw one view of a video, frame by frame.

    Parameters
    ----------
    script
        What happens.
    view
        One of `tsmfeat.rendered_benchmark.scripts.VIEWS`.
    window
        First frame, and the one after the last; None: all frames.

    Yields
    ------
    uint8 (64, 128, 3) or (64, 64, 3)
        RGB: the panoramic or the front view. Textured background, squares that mean nothing, bright discs that act,
        a trembling camera, changing light and noise.
    """
    rng = np.random.default_rng([*script.entropy, 3 + VIEWS.index(view)])
    left, right = VIEW_EDGES[view]
    width = round((right - left) * PIXELS_PER_UNIT)
    background = _draw_background(script, left, width)
    background += rng.uniform(-10, 10, 3).astype(np.float32)  # two cameras never agree on colours
    noise = _draw_noise(rng, width)
    shapes = move_shapes(script)
    offsets = _tremble(rng, script.num_frames)
    light = _change_light(rng, script.num_frames / script.frame_rate, script.num_frames)
    first, last = window or (0, script.num_frames)
    for index in range(script.num_frames):
        tile = noise[rng.integers(_NUM_NOISE_TILES)]
        if not first <= index < last:
            continue
        y, x = offsets[index]
        frame = background[y : y + PIXELS_PER_UNIT, x : x + width].copy()
        for shape in shapes:
            _draw_shape(frame, shape, index, (_MARGIN - y, _MARGIN - x - left * PIXELS_PER_UNIT))
        frame *= light[index]
        frame += tile
        yield np.clip(frame, 0, 255, out=frame).astype(np.uint8)


def _draw_background(script: BenchmarkScript, left: float, width: int) -> Floats:
    """Draw what does not move, with a margin for the camera; all views show the same place."""
    rng = np.random.default_rng([*script.entropy, 1])
    scene = SCENES.index(script.scene)
    y, x = np.mgrid[-_MARGIN : PIXELS_PER_UNIT + _MARGIN, -_MARGIN : width + _MARGIN] / PIXELS_PER_UNIT
    x = x + left
    image = np.tile(_COLOURS[scene] + rng.normal(0, 9, 3), (*y.shape, 1))
    frequency, angle = _STRIPES[scene]
    waves = [(frequency * rng.uniform(0.85, 1.15), angle + rng.normal(0, 0.15), rng.uniform(5, 11))]
    waves += [tuple(rng.uniform((3, 0, 2), (25, np.pi, 7))) for _ in range(4)]
    for pace, direction, height in waves:
        phase = rng.uniform(0, 2 * np.pi)
        image += (height * np.sin(2 * pace * (np.cos(direction) * x + np.sin(direction) * y) + phase))[..., None]
    for _ in range(rng.integers(3, 8)):
        centre_y, centre_x, radius = rng.uniform((0, 0, 0.04), (1, 2, 0.16))
        inside = (np.abs(y - centre_y) < radius) & (np.abs(x - centre_x) < radius * rng.uniform(0.5, 2))
        image[inside] = rng.uniform(30, 140, 3)
    return image.astype(np.float32)


def _draw_noise(rng: np.random.Generator, width: int) -> Floats:
    deviation = rng.uniform(4.0, 9.0)
    shape = (_NUM_NOISE_TILES, PIXELS_PER_UNIT, width, 1)
    return np.asarray(rng.normal(0, deviation, shape), np.float32)


def _tremble(rng: np.random.Generator, num_frames: int) -> npt.NDArray[np.int64]:
    """Return where in the background each frame begins: now and then the camera moves by a pixel."""
    moves = rng.integers(-1, 2, (num_frames, 2)) * (rng.uniform(size=(num_frames, 2)) < 0.3)
    # A walk that turns at the margins.
    walk = (np.cumsum(moves, axis=0) + _MARGIN) % (4 * _MARGIN)
    return np.asarray(np.where(walk > 2 * _MARGIN, 4 * _MARGIN - walk, walk), np.int64)


def _change_light(rng: np.random.Generator, seconds: float, num_frames: int) -> Floats:
    times, (period, phase, depth) = np.linspace(0, seconds, num_frames), rng.uniform((6, 0, 0.02), (20, 6, 0.12))
    return np.asarray(1 + depth * np.sin(2 * np.pi * times / period + phase), np.float32)


def _draw_shape(image: Floats, shape: Shape, index: int, origin: tuple[float, float]) -> None:
    y, x, radius, opacity = shape.path[index].tolist()
    if opacity <= 0:
        return
    y, x, radius = y * PIXELS_PER_UNIT + origin[0], x * PIXELS_PER_UNIT + origin[1], radius * PIXELS_PER_UNIT
    # Only the box around the shape is touched: drawing is most of the cost of rendering.
    top, bottom = max(int(y - radius - 1), 0), min(int(y + radius + 3), image.shape[0])
    left, right = max(int(x - radius - 1), 0), min(int(x + radius + 3), image.shape[1])
    if top >= bottom or left >= right:
        return
    dy = np.abs(np.arange(top, bottom, dtype=np.float32) - np.float32(y))[:, None]
    dx = np.abs(np.arange(left, right, dtype=np.float32) - np.float32(x))[None, :]
    away = np.maximum(dy, dx) if shape.is_square else np.hypot(dy, dx)
    cover = np.clip(np.float32(radius + 0.5) - away, 0, 1)[..., None] * np.float32(opacity)
    box = image[top:bottom, left:right]
    box += cover * (shape.colour.astype(np.float32) - box)
