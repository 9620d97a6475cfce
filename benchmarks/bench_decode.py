"""Decoding and resizing every clip of a video, against decoding alone (the limit); memory over length."""

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import av
from commands import PYTHON
from harness import Case, call, compete, require_equal, run_command
from reporting import Goal, Report, Setting, judge, run_benchmark
from videos import FPS, make_video

from tsmfeat.video.assembling import assemble_clips, wanted_frames
from tsmfeat.video.clips import plan_clips_ticks
from tsmfeat.video.decoding import choose_decoder
from tsmfeat.video.geometry import parse_geometry
from tsmfeat.video.pictures import Resizing
from tsmfeat.video.probing import probe_video

# Height, width, frames.
SIZES = ((240, 320, 600), (720, 1280, 300), (1080, 1920, 150))
QUICK_SIZES = ((32, 48, 30), (48, 64, 30))
STEP_SECONDS, NUM_FRAMES, GEOMETRY = 0.5, 8, "square256"
LIMIT = "decode only, PyAV"


def read_clips(path: Path, decoder_name: str, resize_filter: str) -> int:
    """Decode a video and make its clips as an extraction does, in this process; return the number of frames decoded."""
    probe = probe_video(path)
    ticks, unit, grid = probe.ticks, probe.tick_seconds, probe.grid(STEP_SECONDS)
    plans = [plan_clips_ticks(ticks, unit, grid, NUM_FRAMES, None)]
    resizings = [Resizing(parse_geometry(GEOMETRY), resize_filter)]
    with choose_decoder(probe, decoder_name, resizings) as decoder:
        for _ in assemble_clips(decoder.pictures(wanted_frames(plans)), plans, resizings):
            pass
        return decoder.quality(0.0).num_frames_decoded


def decode_only(path: Path) -> int:
    """Decode every frame and look at none; return their number."""
    with av.open(str(path)) as container:
        container.streams.video[0].thread_count = 1
        return sum(1 for _ in container.decode(video=0))


# What reads a video: a further decoder or filter is a line here.
READERS: dict[str, Callable[[Path], int]] = {
    "tsmfeat, PyAV, pil": partial(read_clips, decoder_name="pyav", resize_filter="pil"),
    "tsmfeat, PyAV, reader": partial(read_clips, decoder_name="pyav", resize_filter="reader"),
    "tsmfeat, decord, pil": partial(read_clips, decoder_name="decord", resize_filter="pil"),
    "tsmfeat, decord, reader": partial(read_clips, decoder_name="decord", resize_filter="reader"),
    LIMIT: decode_only,
}
if find_spec("torchcodec"):
    READERS["tsmfeat, torchcodec, pil"] = partial(read_clips, decoder_name="torchcodec", resize_filter="pil")


def measure(setting: Setting) -> Report:
    """Time three sizes, and compare the peak memory of a long and a short video."""
    with tempfile.TemporaryDirectory() as name:
        sizes = QUICK_SIZES if setting.quick else SIZES
        cases = [_measure_size(Path(name), *size, setting) for size in sizes]
        lengths = (15, 30) if setting.quick else (150, 1_500)
        peaks = {f"{length} frames": _peak_megabytes(Path(name), length, setting.seed) for length in lengths}
    goals = [
        judge(Goal("decode and resize", who, LIMIT, 1.3, 1.2, at_most=True), case)
        for case in cases
        for who in READERS
        if who != LIMIT
    ]
    return Report(cases, goals, facts={"peak MB of a process that reads clips, 320x240": peaks})


def _measure_size(folder: Path, height: int, width: int, count: int, setting: Setting) -> Case:
    path = make_video(folder / f"{height}.mp4", height, width, count, setting.seed)
    for who, reader in READERS.items():
        require_equal(f"frames decoded by {who}", reader(path), count)
    contestants = {who: call(partial(reader, path)) for who, reader in READERS.items()}
    sizes = {"height": height, "width": width, "frames": count, "fps": FPS}
    return compete(f"read {count} frames of {width}x{height}", sizes, contestants, setting.pace(20))


def _peak_megabytes(folder: Path, length: int, seed: int) -> int:
    path = make_video(folder / f"long{length}.mp4", 240, 320, length, seed)
    script = f"import sys; sys.path.append({str(Path(__file__).parent)!r}); import bench_decode, pathlib; "
    script += f"bench_decode.read_clips(pathlib.Path({str(path)!r}), 'pyav', 'pil')"
    return round(run_command([PYTHON, "-c", script]).peak_bytes / 1e6)


if __name__ == "__main__":
    sys.exit(run_benchmark("decode", measure, LIMIT))
