"""Encoded videos of any size: a moving pattern with noise, which costs a decoder about what a camera's picture does."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tsmfeat.video.encoding import EncodingOptions, write_video

FPS = 30


def make_video(path: Path, height: int, width: int, num_frames: int, seed: int) -> Path:
    """Encode a video as H.264 with a key frame every 250 frames, and return its path."""
    options = EncodingOptions(crf=23, preset="ultrafast" if height < 100 else "veryfast", gop_size=250)
    write_video(path, _draw_frames(height, width, num_frames, seed), fps=FPS, options=options)
    return path


def _draw_frames(height: int, width: int, num_frames: int, seed: int) -> Iterator[npt.NDArray[np.uint8]]:
    rng = np.random.default_rng([seed, 7])
    y, x = np.mgrid[: height * 2, : width * 2]
    scene = np.stack([np.sin(x / (9 + 4 * c)) * np.cos(y / (13 - 3 * c)) * 90 + 128 for c in range(3)], axis=2)
    tiles = [rng.normal(0.0, 6.0, (height, width, 3)) for _ in range(4)]
    for number in range(num_frames):
        top, left = number * 2 % height, number * 3 % width
        frame = scene[top : top + height, left : left + width] + tiles[number % len(tiles)]
        yield np.clip(frame, 0, 255).astype(np.uint8)
