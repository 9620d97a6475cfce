"""The rendered benchmark as files: videos of two views, their manifest, annotations, and what is known of them."""

import csv
import io
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from tsmfeat.files import canonical_json, write_text
from tsmfeat.formats.activitynet import write_annotations
from tsmfeat.priors.counts import count_actions
from tsmfeat.priors.information import scene_information
from tsmfeat.rendered_benchmark.drawing import render_view
from tsmfeat.rendered_benchmark.scripts import (
    GENERATOR_VERSION,
    BenchmarkScript,
    ScriptOptions,
    annotate_benchmark,
    write_benchmark_scripts,
)
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.video.encoding import write_video
from tsmfeat.video.options import resolve_workers
from tsmfeat.workflows.benchmark_options import BENCHMARK_ENCODING
from tsmfeat.workflows.demo_folder import DemoFiles, keep_or_render
from tsmfeat.workflows.options import DemoOptions

_SILENCE = Silence()
SHORT_SECONDS = 0.5


@dataclass(frozen=True)
class BenchmarkFacts:
    """What is counted in annotations.

    Parameters
    ----------
    num_videos, num_instances
        Counted.
    hours
        Length of all videos.
    short_share
        Of the instances, those shorter than half a second.
    overlap_share
        Of the instances, those during which another action goes on.
    information_bits, corrected_bits
        I(action; scene), as `tsmfeat.priors.information.SceneInformation` has it.
    counts
        Instances of each action, by name.
    """

    num_videos: int
    num_instances: int
    hours: float
    short_share: float
    overlap_share: float
    information_bits: float
    corrected_bits: float
    counts: dict[str, int]


def write_scripts_of(options: DemoOptions) -> list[BenchmarkScript]:
    """Return the scripts of the videos that some options render."""
    sizes = (options.num_training, options.num_validation, options.num_testing)
    return write_benchmark_scripts(*sizes, ScriptOptions(options.seed, scene_information=options.scene_information))


def render_benchmark(folder: Path, options: DemoOptions, progress: Progress = _SILENCE) -> DemoFiles:
    """Render the benchmark's videos, both views of each where there are two; what an equal run left is used again.

    Parameters
    ----------
    folder
        Gets ``videos/``, ``manifest.csv`` and ``annotations.json``.
    options
        Number of videos, seed and scene information.
    progress
        Told of every file.

    Returns
    -------
    DemoFiles

    Raises
    ------
    ConfigurationError
        More scene information than can be told, or the folder holds files of these names that no demo made.
    OutputError
        The folder cannot be written.
    """
    scripts = write_scripts_of(options)
    files = DemoFiles(folder / "videos", folder / "annotations.json", len(scripts))
    manifest = folder / "manifest.csv"
    jobs = [(script, view) for script in scripts for view in script.views]
    paths = [files.annotations, manifest, *(view_path(script, view, files.videos) for script, view in jobs)]
    recipe = {
        "size": "benchmark",
        "generator": GENERATOR_VERSION,
        "num_videos": len(scripts),
        "seed": options.seed,
        "scene_information": options.scene_information,
    }

    def render() -> None:
        _render_all(jobs, files.videos, progress)
        write_text(manifest, write_manifest(jobs, files.videos))
        write_annotations(annotate_benchmark(scripts), files.annotations)

    keep_or_render(folder, canonical_json(recipe), paths, render, progress)
    return files


def _render_all(jobs: Sequence[tuple[BenchmarkScript, str]], folder: Path, progress: Progress) -> None:
    progress.begin("render", len(jobs), "videos")
    try:
        with ProcessPoolExecutor(resolve_workers(None), mp_context=get_context("spawn")) as pool:
            for done in as_completed([pool.submit(render_file, *job, folder) for job in jobs]):
                progress.advance(1, done.result().name)
    finally:
        progress.end()


def view_path(script: BenchmarkScript, view: str, folder: Path) -> Path:
    """Return the file of one view of a video."""
    return folder / f"{script.video_id}_{view}.mp4"


def render_file(script: BenchmarkScript, view: str, folder: Path) -> Path:
    """Render one view of a video to an H.264 MP4 file, and return its path."""
    path = view_path(script, view, folder)
    write_video(path, render_view(script, view), fps=script.frame_rate, options=BENCHMARK_ENCODING)
    return path


def write_manifest(jobs: Sequence[tuple[BenchmarkScript, str]], folder: Path) -> str:
    """Return a manifest whose paths are relative to the parent of the videos' folder."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("video_id", "view", "path"))
    for script, view in jobs:
        rows.writerow((script.video_id, view, f"{folder.name}/{view_path(script, view, folder).name}"))
    return text.getvalue()


def count_benchmark(truth: Annotations) -> BenchmarkFacts:
    """Count what makes annotations hard.

    Parameters
    ----------
    truth
        With scenes and durations.
    """
    seconds = truth.segments.end - truth.segments.start
    told = scene_information(count_actions(truth))
    counts = np.bincount(truth.segments.label, minlength=len(truth.vocabulary))
    return BenchmarkFacts(
        len(truth.video_ids),
        len(seconds),
        float(truth.duration_seconds.sum() / 3600),
        float((seconds < SHORT_SECONDS).mean()),
        float(_overlaps(truth).mean()),
        told.information_bits if told else 0.0,
        told.corrected_bits if told else 0.0,
        dict(zip(truth.vocabulary.names, counts.tolist(), strict=True)),
    )


def _overlaps(truth: Annotations) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Tell of each segment whether another of its video shares some of its time."""
    found = np.zeros(len(truth.segments), np.bool_)
    for video in range(len(truth.video_ids)):
        rows = np.flatnonzero(truth.segments.video == video)
        start, end = truth.segments.start[rows], truth.segments.end[rows]
        shared = np.minimum(end[:, None], end) - np.maximum(start[:, None], start)
        np.fill_diagonal(shared, 0)
        found[rows] = (shared > 0).any(axis=1)
    return found
