"""Ways to extract: three steps and two trunks in one pass or in six runs, one reader or two, the usual way; memory.

The usual way opens the video anew for every interval, seeks, decodes, and embeds one clip at a time.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import torch
from harness import WALL, Case, Contestant, Cost, compete, ratios, require_equal, spread
from PIL import Image
from reporting import Goal, Report, Setting, judge, judge_value, run_benchmark
from videos import FPS, make_video

from tsmfeat.store.reader import open_features
from tsmfeat.trunk.options import TrunkOptions
from tsmfeat.trunk.protocol import IMAGENET_MEAN, IMAGENET_STD
from tsmfeat.trunk.tsm import build_trunk
from tsmfeat.video.options import VideoOptions
from tsmfeat.workflows import extract
from tsmfeat.workflows.extraction_report import ExtractReport
from tsmfeat.workflows.options import ExtractOptions

TRUNKS, STEPS, NUM_FRAMES = ("resnet18", "resnet34"), (0.25, 0.5, 1.0), 4
ONE_PASS, SIX_RUNS = "tsmfeat, one pass", "six runs of tsmfeat"
OURS, USUAL = "tsmfeat", "seek, decode, embed an interval at a time"
# Another bilinear rounding of a pixel, another order of sums.
_TOLERANCE = 2e-2


def measure(setting: Setting) -> Report:
    """Compare the ways, then look at memory over length and at what a resumed run costs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        many = _measure_many(folder / "many", setting)
        usual = _measure_usual(folder / "usual", setting)
        readers = _measure_readers(folder / "readers", setting)
        facts = {
            "wall of 1 reader over 2": spread(ratios(readers, "1 reader", "2 readers", WALL)),
            "peak MB of a reader by seconds of video": _memory_over_length(folder / "long", setting),
            "resume": _measure_resume(folder / "resume", setting),
        }
        if find_spec("ray") and not setting.quick:
            facts["Ray actors, wall s with Ray's start and end"] = _measure_actors(folder / "readers" / "videos")
    goals = [
        judge(Goal("3 steps x 2 trunks, decode-bound", ONE_PASS, SIX_RUNS, 0.6, 0.4, at_most=True), many),
        judge(Goal("against the usual way", USUAL, OURS, 1.5, 3.0), usual),
    ]
    peaks = list(facts["peak MB of a reader by seconds of video"].values())
    flat = Goal("a reader's memory", "longest video", "shortest video", 1.2, 1.05, at_most=True)
    return Report([many, usual, readers], [*goals, judge_value(flat, "memory", peaks[-1] / peaks[0])], facts=facts)


def _options(edge: int, trunks: tuple[str, ...] = TRUNKS[:1], **options: Any) -> ExtractOptions:  # noqa: ANN401
    asked = tuple(TrunkOptions(trunk, "random:0", NUM_FRAMES, device="cpu") for trunk in trunks)
    workers = options.pop("workers", 1)
    return ExtractOptions(asked, VideoOptions(f"square{edge}", workers=workers), overwrite=True, **options)


def _timed(work: Callable[[], object]) -> Contestant:
    """Return a contestant whose cost holds that of the reader processes it has ended."""

    def run() -> Cost:
        before, began = _cpu_seconds(), time.perf_counter()
        work()
        return Cost(_cpu_seconds() - before, time.perf_counter() - began)

    return run


def _cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _make_videos(folder: Path, number: int, size: tuple[int, int, int], seed: int) -> list[str]:
    folder.mkdir(parents=True)
    height, width, count = size
    return [str(make_video(folder / f"{n}.mp4", height, width, count, seed + n)) for n in range(number)]


def _measure_many(folder: Path, setting: Setting) -> Case:
    number, size, edge = (2, (32, 48, 60), 32) if setting.quick else (3, (720, 1280, 150), 32)
    videos = _make_videos(folder / "videos", number, size, setting.seed)
    together = _options(edge, TRUNKS, step_seconds=STEPS)
    apart = {f"{trunk}_t{step:g}": _options(edge, (trunk,), step_seconds=step) for trunk in TRUNKS for step in STEPS}

    def one_pass() -> ExtractReport:
        return extract(videos, folder / "one", together)

    def six_runs() -> list[ExtractReport]:
        return [extract(videos, folder / "six" / f"{name}.h5", options) for name, options in apart.items()]

    report, reports = one_pass(), six_runs()
    require_equal("intervals", report.num_intervals, sum(each.num_intervals for each in reports))
    for name in apart:
        _require_same(folder / "one" / f"{name}.h5", folder / "six" / f"{name}.h5")
    sizes = {"videos": number, "height": size[0], "frames": size[2], "specs": len(apart)}
    return compete(
        f"{len(STEPS)} steps x {len(TRUNKS)} trunks",
        sizes,
        {ONE_PASS: _timed(one_pass), SIX_RUNS: _timed(six_runs)},
        setting.pace(30),
    )


def _require_same(one: Path, other: Path) -> None:
    with open_features(one) as ours, open_features(other) as theirs:
        for video_id in ours.video_ids:
            rows, others = (store.embeddings(video_id).astype(np.float32) for store in (ours, theirs))
            require_equal(f"embeddings of {video_id}", float(np.abs(rows - others).max()), 0.0, 1e-2)


def _measure_usual(folder: Path, setting: Setting) -> Case:
    number, size, edge = (1, (32, 48, 60), 32) if setting.quick else (2, (240, 320, 300), 112)
    videos = _make_videos(folder / "videos", number, size, setting.seed)
    ours = partial(extract, videos, folder / "x.h5", _options(edge))
    trunk = build_trunk(TRUNKS[0], NUM_FRAMES, "random:0")
    usual = partial(_usual_way, videos, trunk, edge)
    ours()
    with open_features(folder / "x.h5") as store:
        for path, rows in usual().items():
            expected = store.embeddings(Path(path).stem).astype(np.float32)
            error = float(np.linalg.norm(rows - expected) / np.linalg.norm(expected))
            require_equal(f"embeddings of {Path(path).stem}", error, 0.0, _TOLERANCE)
    sizes = {"videos": number, "height": size[0], "frames": size[2], "edge": edge}
    return compete("the usual way", sizes, {OURS: _timed(ours), USUAL: _timed(usual)}, setting.pace(20))


def _usual_way(videos: list[str], trunk: torch.nn.Module, edge: int) -> dict[str, npt.NDArray[np.float32]]:
    mean, std = (torch.tensor(values).view(1, 1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    found = {}
    for path in videos:
        rows = []
        for clip in _clips_by_seeking(path, edge):
            frames = torch.from_numpy(clip)[None].permute(0, 1, 4, 2, 3).float() / 255
            with torch.inference_mode():
                rows.append(trunk((frames - mean) / std)[0].numpy())
        found[path] = np.stack(rows)
    return found


def _clips_by_seeking(path: str, edge: int) -> Iterator[npt.NDArray[np.uint8]]:
    with av.open(path) as container:
        stream = container.streams.video[0]
        num_intervals = int(stream.frames / FPS / 0.5)
    for interval in range(num_intervals):
        wanted = [int((interval + (2 * x + 1) / (2 * NUM_FRAMES)) * 0.5 * FPS + 1e-6) for x in range(NUM_FRAMES)]
        with av.open(path) as container:
            stream = container.streams.video[0]
            stream.thread_count = 1
            container.seek(int(wanted[0] / FPS / (stream.time_base or 1)), stream=stream)
            yield np.stack(list(_pick(container, wanted, edge)))


def _pick(container: Any, wanted: list[int], edge: int) -> Iterator[npt.NDArray[np.uint8]]:  # noqa: ANN401
    left = list(wanted)
    for frame in container.decode(video=0):
        number = round(float(frame.pts * frame.time_base) * FPS)
        while left and number == left[0]:
            image = Image.fromarray(frame.to_ndarray(format="rgb24")).resize((edge, edge), Image.Resampling.BILINEAR)
            yield np.asarray(image)
            left.pop(0)
        if not left:
            return


def _measure_readers(folder: Path, setting: Setting) -> Case:
    number, size = (2, (32, 48, 60)) if setting.quick else (6, (720, 1280, 150))
    videos = _make_videos(folder / "videos", number, size, setting.seed)
    contestants = {
        f"{count} reader{'s' * (count > 1)}": _timed(
            partial(extract, videos, folder / f"{count}.h5", _options(32, workers=count))
        )
        for count in (1, 2)
    }
    for contestant in contestants.values():
        contestant()
    _require_same(folder / "1.h5", folder / "2.h5")
    sizes = {"videos": number, "height": size[0], "frames": size[2]}
    return compete("readers", sizes, contestants, setting.pace(20))


def _memory_over_length(folder: Path, setting: Setting) -> dict[str, float]:
    lengths = (2, 4) if setting.quick else (20, 200, 1_000)
    peaks = {}
    for seconds in lengths:
        size = (32, 48, seconds * FPS) if setting.quick else (120, 160, seconds * FPS)
        videos = _make_videos(folder / str(seconds), 1, size, setting.seed)
        report = extract(videos, folder / f"{seconds}.h5", _options(32, step_seconds=1.0))
        require_equal("intervals", report.num_intervals, seconds)
        peaks[str(seconds)] = round(report.effort.reader_peak_bytes / 1e6, 1)
    return peaks


def _measure_resume(folder: Path, setting: Setting) -> dict[str, float]:
    """Return what it costs to find out that a number of videos are finished, the trunk's loading included."""
    number = 20 if setting.quick else 500
    (video,) = _make_videos(folder / "videos", 1, (32, 48, FPS), setting.seed)
    for place in range(1, number):
        Path(video).with_name(f"{place}.mp4").hardlink_to(video)
    options = replace(_options(32, workers=2), overwrite=False)
    first = extract([str(folder / "videos")], folder / "x", options)
    again = extract([str(folder / "videos")], folder / "x", options)
    require_equal("finished videos", again.num_skipped, number)
    return {"videos": number, "first run, s": round(first.seconds, 2), "resumed run, s": round(again.seconds, 2)}


def _measure_actors(videos: Path) -> dict[str, float]:
    """Return how long Ray takes for the videos of the readers' case, once each."""
    walls = {}
    for count in (1, 2):
        began = time.perf_counter()
        options = _options(32, engine="ray", num_actors=count)
        report = extract([str(videos)], videos.parent / f"ray{count}.h5", options)
        require_equal("videos extracted", report.num_done, report.num_videos)
        walls[str(count)] = round(time.perf_counter() - began, 1)
    return walls


if __name__ == "__main__":
    sys.exit(run_benchmark("extract_ways", measure, OURS))
