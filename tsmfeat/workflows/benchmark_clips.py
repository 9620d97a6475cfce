"""Labelled clips of rendered videos, on which the benchmark's trunk is trained: of other seeds than its videos."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from tsmfeat.rendered_benchmark.actions import ACTIONS, SCENES
from tsmfeat.rendered_benchmark.drawing import VIEW_EDGES, render_view
from tsmfeat.rendered_benchmark.scripts import (
    VIEWS,
    BenchmarkScript,
    Instance,
    ScriptOptions,
    write_benchmark_scripts,
)
from tsmfeat.values.progress import Progress
from tsmfeat.video.encoding import write_video
from tsmfeat.video.geometry import parse_geometry
from tsmfeat.video.options import resolve_workers
from tsmfeat.video.pictures import Resizing
from tsmfeat.video.probing import probe_video
from tsmfeat.video.pyav_decoding import PyAVDecoder
from tsmfeat.workflows.benchmark_options import BENCHMARK_ENCODING

# Many windows of many videos: a trunk learns few videos by heart, whatever the number of their frames.
_VIDEO_SECONDS, _WINDOW_SECONDS = (20.0, 20.0), 3.0
# Frames are moved by so many pixels at most.
_SHAKE = 3
# Of the clips, those around an instance of an action, all actions alike; the others are from anywhere.
_ACTION_SHARE = 0.75


@dataclass(frozen=True, eq=False)
class LabelledVideo:
    """A decoded window of a view of a video, with what can be seen in it.

    Parameters
    ----------
    frames
        uint8 (n, H, W, 3), of the trunk's size.
    frame_rate
        Frames a second.
    scene
        Index into `SCENES`.
    label, start, end
        Of the instances within the view's edges; seconds from the window's beginning, which they may reach beyond.
    """

    frames: npt.NDArray[np.uint8]
    frame_rate: float
    scene: int
    label: npt.NDArray[np.int64]
    start: npt.NDArray[np.float64]
    end: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LabelledClips:
    """A batch of clips.

    Parameters
    ----------
    frames
        uint8 (clips, T, H, W, 3).
    shares
        float32 (clips, actions): the part of the clip's span in which each action goes on.
    scenes
        int64 (clips,).
    """

    frames: npt.NDArray[np.uint8]
    shares: npt.NDArray[np.float32]
    scenes: npt.NDArray[np.int64]


def render_labelled(num_videos: int, seed: int, stream: str, resize: str, progress: Progress) -> list[LabelledVideo]:
    """Render a window of each of many videos, in one view, to a file and decode it: H.264 leaves its traces.

    Parameters
    ----------
    num_videos
        Half of them panoramic. All actions are equally common in them, and scenes tell nothing of actions.
    seed, stream
        Of the random numbers.
    resize
        Name of the geometry, as in `tsmfeat.video.options.VideoOptions`.
    progress
        Told of every video.
    """
    scripts = write_benchmark_scripts(
        num_videos, 0, 0, ScriptOptions(seed, stream, 0.0, _VIDEO_SECONDS, long_tail=False)
    )
    progress.begin("render", num_videos, "videos")
    try:
        with ProcessPoolExecutor(resolve_workers(None), mp_context=get_context("spawn")) as pool:
            jobs = [pool.submit(_render, one, VIEWS[k % 2], resize) for k, one in enumerate(scripts)]
            found = []
            for job in jobs:
                found.append(job.result())
                progress.advance(1)
    finally:
        progress.end()
    return found


def _render(script: BenchmarkScript, view: str, resize: str) -> LabelledVideo:
    first, last = _choose_window(script)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "window.mp4"
        drawn = render_view(script, view, (first, last))
        write_video(path, drawn, fps=script.frame_rate, options=BENCHMARK_ENCODING)
        with PyAVDecoder(probe_video(path)) as decoder:
            resizing = Resizing(parse_geometry(resize))
            frames = [one.resized(resizing) for _, one in decoder.pictures(np.arange(last - first))]
    begin, end = first / script.frame_rate, last / script.frame_rate
    seen = [one for one in script.instances if _is_seen(one, view) and one.end > begin and one.start < end]
    label = np.array([ACTIONS.index(one.action) for one in seen], np.int64)
    bounds = np.array([(one.start, one.end) for one in seen], np.float64).reshape(-1, 2) - begin
    scene = SCENES.index(script.scene)
    return LabelledVideo(np.stack(frames), script.frame_rate, scene, label, bounds[:, 0], bounds[:, 1])


def _choose_window(script: BenchmarkScript) -> tuple[int, int]:
    """Return first frame and end of a window about an instance, any of them."""
    rng = np.random.default_rng([*script.entropy, 9])
    count = round(_WINDOW_SECONDS * script.frame_rate)
    one = script.instances[int(rng.integers(len(script.instances)))]
    first = round(rng.uniform(one.start, one.end) * script.frame_rate) - count // 2
    first = min(max(first, 0), script.num_frames - count)
    return first, first + count


def _is_seen(instance: Instance, view: str) -> bool:
    left, right = VIEW_EDGES[view]
    return left <= instance.x <= right


class ClipDealer:
    """Deals random clips of labelled videos.

    Parameters
    ----------
    videos
        Where clips come from.
    num_frames
        Frames T of a clip.
    spans
        Seconds that a clip covers; each is as likely as the others.
    rng
        Of the choices.
    shake
        Whether the frames of a clip are moved by a few pixels, all alike.
    """

    def __init__(
        self,
        videos: Sequence[LabelledVideo],
        num_frames: int,
        spans: Sequence[float],
        rng: np.random.Generator,
        shake: bool = False,
    ) -> None:
        self._shake = shake
        self._videos, self._num_frames, self._spans, self._rng = videos, num_frames, spans, rng
        self._places: list[list[tuple[int, int]]] = [[] for _ in ACTIONS]
        for index, video in enumerate(videos):
            for place, label in enumerate(video.label.tolist()):
                self._places[label].append((index, place))

    def deal(self, count: int) -> LabelledClips:
        """Return so many clips."""
        clips = [self._deal_one() for _ in range(count)]
        frames, shares, scenes = zip(*clips, strict=True)
        return LabelledClips(np.stack(frames), np.stack(shares), np.array(scenes, np.int64))

    def _deal_one(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32], int]:
        rng, span = self._rng, float(self._rng.choice(self._spans))
        places = self._places[rng.integers(len(ACTIONS))]
        if rng.uniform() < _ACTION_SHARE and places:
            index, place = places[rng.integers(len(places))]
            video = self._videos[index]
            length = len(video.frames) / video.frame_rate
            middle = rng.uniform(max(0.0, video.start[place]), min(length, video.end[place]))
        else:
            video = self._videos[int(rng.integers(len(self._videos)))]
            middle = rng.uniform(0, len(video.frames) / video.frame_rate)
        begin = float(np.clip(middle - span / 2, 0, len(video.frames) / video.frame_rate - span))
        # The place within each of T equal spans is random, as in TSN's training.
        times = begin + (np.arange(self._num_frames) + rng.uniform(size=self._num_frames)) * span / self._num_frames
        rows = np.minimum((times * video.frame_rate).astype(np.int64), len(video.frames) - 1)
        shared = np.clip(np.minimum(video.end, begin + span) - np.maximum(video.start, begin), 0, None) / span
        shares = np.bincount(video.label, shared, minlength=len(ACTIONS)).astype(np.float32)
        moved = (
            np.roll(video.frames[rows], rng.integers(-_SHAKE, _SHAKE + 1, 2), (1, 2))
            if self._shake
            else video.frames[rows]
        )
        return moved, np.minimum(shares, 1), video.scene
