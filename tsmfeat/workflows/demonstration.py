"""What the demo needs beside the commands it runs: rendered files, the ceiling of its grid, direction accuracy."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from tsmfeat.files import canonical_json
from tsmfeat.formats.activitynet import write_annotations
from tsmfeat.formats.reading import read_annotations
from tsmfeat.heads.checkpoint import load_heads
from tsmfeat.heads.prediction import predict_probabilities
from tsmfeat.heads.targets import interval_targets
from tsmfeat.localization.localizing import localize
from tsmfeat.metrics.average_precision import evaluate
from tsmfeat.rendered_benchmark import actions as benchmark_actions
from tsmfeat.rendering import (
    ACTION_PAIRS,
    GENERATOR_VERSION,
    VideoScript,
    annotate_scripts,
    render_frames,
    write_scripts,
)
from tsmfeat.store.reader import open_features
from tsmfeat.values.intervals import IntervalGrid
from tsmfeat.values.predictions import IntervalScores
from tsmfeat.values.progress import Progress, Silence
from tsmfeat.video.encoding import write_video
from tsmfeat.video.options import resolve_workers
from tsmfeat.workflows.benchmark_dataset import SHORT_SECONDS, count_benchmark, render_benchmark
from tsmfeat.workflows.demo_folder import DemoFiles, keep_or_render
from tsmfeat.workflows.inference import gather_features
from tsmfeat.workflows.options import DemoOptions

_SILENCE = Silence()
# Pairs that both generators have mean the same in both.
BOTH_PAIRS = tuple(dict.fromkeys((*ACTION_PAIRS, *benchmark_actions.ACTION_PAIRS)))


def render_dataset(folder: Path, options: DemoOptions, progress: Progress = _SILENCE) -> DemoFiles:
    """Render the demo's videos as MP4 files, with their annotations; what an equal run left is used again.

    Parameters
    ----------
    folder
        Gets ``videos/`` and ``annotations.json``; of the benchmark also ``manifest.csv``.
    options
        Size, number of videos, seed and scene information.
    progress
        Told of every video.

    Raises
    ------
    ConfigurationError
        The folder holds files of these names that no demo made, or more scene information than can be told.
    OutputError
        The folder cannot be written.
    """
    if options.size == "benchmark":
        return render_benchmark(folder, options, progress)
    files = DemoFiles(folder / "videos", folder / "annotations.json", options.count)
    recipe = canonical_json({"generator": GENERATOR_VERSION, "num_videos": options.count, "seed": options.seed})
    scripts = write_scripts(options.num_training, options.num_validation, options.num_testing, options.seed)
    paths = [files.annotations, *(video_path(script, files.videos) for script in scripts)]

    def render() -> None:
        _render_all(scripts, files.videos, progress)
        write_annotations(annotate_scripts(scripts), files.annotations)

    keep_or_render(folder, recipe, paths, render, progress)
    return files


def _render_all(scripts: Sequence[VideoScript], folder: Path, progress: Progress) -> None:
    progress.begin("render", len(scripts), "videos")
    try:
        with ProcessPoolExecutor(resolve_workers(None), mp_context=get_context("spawn")) as pool:
            for done in as_completed([pool.submit(render_video, script, folder) for script in scripts]):
                progress.advance(1, done.result().name)
    finally:
        progress.end()


def video_path(script: VideoScript, folder: Path) -> Path:
    """Return the file of a rendered video: named after its id."""
    return folder / f"{script.video_id}.mp4"


def render_video(script: VideoScript, folder: Path) -> Path:
    """Render one video to an H.264 MP4 file named after its id, and return its path."""
    path = video_path(script, folder)
    write_video(path, render_frames(script), fps=script.frame_rate)
    return path


def describe_dataset(annotations: Path) -> str:
    """Say in a line what makes the benchmark's annotations hard: how many there are, how short, how crowded."""
    facts = count_benchmark(read_annotations(annotations))
    return (
        f"{facts.num_instances} instances of {len(facts.counts)} actions in {facts.hours:.1f} h, "
        f"{facts.short_share:.0%} shorter than {SHORT_SECONDS:g} s, {facts.overlap_share:.0%} beside another; "
        f"the commonest occurs {max(facts.counts.values())} times, the rarest {min(facts.counts.values())}; "
        f"a scene tells {facts.corrected_bits:.2f} bits of an action"
    )


def score_oracle(annotations: Path, subset: str, step_seconds: float, min_overlap: float) -> float:
    """Return the final score of a head that names every interval rightly: the ceiling of the grid.

    Parameters
    ----------
    annotations
        ActivityNet JSON with durations.
    subset
        Videos to evaluate on.
    step_seconds, min_overlap
        The grid's step, and the share of an interval an action must cover to be its target.
    """
    truth = read_annotations(annotations).select_subset(subset)
    counts = [IntervalGrid(length, step_seconds).count for length in truth.duration_seconds.tolist()]
    row_offset = np.concatenate([[0], np.cumsum(counts)])
    targets = interval_targets(truth, truth.video_ids, row_offset, step_seconds, min_overlap)
    scores = np.eye(len(truth.vocabulary) + 1, dtype=np.float32)[targets]
    known = IntervalScores(truth.video_ids, truth.vocabulary, row_offset, scores, step_seconds, truth.duration_seconds)
    return evaluate(localize(known), truth).final_score


def measure_direction(heads: Path, features: Path, annotations: Path, subset: str) -> float | None:
    """Return how often the direction is right where the pair is: 0.5 is chance.

    Of all intervals whose prediction names an action of the true pair, the share that names the true one; None where
    there is no such interval.

    Parameters
    ----------
    heads, features
        A checkpoint and the store it was fitted on.
    annotations
        ActivityNet JSON of rendered videos.
    subset
        Videos to evaluate on; those that are not stored (without this view) are left out.
    """
    checkpoint = load_heads(heads)
    truth = read_annotations(annotations).select_subset(subset)
    with open_features(features) as store:
        stored = set(store.video_ids)
        gathered = gather_features(store, [name for name in truth.video_ids if name in stored])
    overlap = float(checkpoint.options["min_overlap"])
    targets = interval_targets(truth, gathered.video_ids, gathered.row_offset, gathered.step_seconds, overlap)
    named = predict_probabilities(checkpoint.weights, gathered.embeddings, gathered.row_offset)[0].argmax(axis=1)
    pair = _pair_of_label(truth.vocabulary.names)
    in_pair = (pair[targets] >= 0) & (pair[targets] == pair[named])
    return float((named == targets)[in_pair].mean()) if in_pair.any() else None


def _pair_of_label(names: tuple[str, ...]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    number = {name: index for index, pair in enumerate(BOTH_PAIRS) for name in pair}
    return np.array([*(number.get(name, -1) for name in names), -1], np.int64)  # the last entry is background's
