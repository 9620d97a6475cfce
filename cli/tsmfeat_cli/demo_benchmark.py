"""The commands of `tsmfeat demo --size benchmark`: every step and view, their heads, and all of them together."""

import json
from dataclasses import dataclass
from pathlib import Path

from tsmfeat.heads.options import HeadOptions
from tsmfeat.trunk.narrow_names import SHIFTED
from tsmfeat.values.progress import Progress
from tsmfeat.workflows.options import DemoOptions
from tsmfeat_cli.demo_commands import run_command

SUBSET = "testing"
STEPS = (0.25, 0.5, 1.0)
# The views of each heads checkpoint; several are joined.
VIEW_SETS = (("panoramic",), ("front_view",), ("panoramic", "front_view"))


@dataclass(frozen=True)
class BenchmarkRow:
    """What one heads checkpoint reached on the held-out videos; the fields as in `ChainResult`.

    Parameters
    ----------
    what
        Its views and step.
    final_score, direction, scene_accuracy
        Reached; direction is None where views are joined, or heads fused.
    ceiling
        Final score were every interval labelled rightly; None for all steps together.
    """

    what: str
    final_score: float
    direction: float | None
    scene_accuracy: float | None
    ceiling: float | None


@dataclass(frozen=True)
class BenchmarkResult:
    """What the benchmark's commands reached.

    Parameters
    ----------
    rows
        By step, then by views; the last one is of all heads on joined views together.
    facts
        Of the annotations, in a line.
    """

    rows: tuple[BenchmarkRow, ...]
    facts: str


def run_benchmark(
    out: Path, annotations: Path, options: DemoOptions, flags: list[str], progress: Progress
) -> BenchmarkResult:
    """Run the commands on rendered videos as a user would, and return what they reached on held-out videos."""
    from tsmfeat.workflows.demonstration import describe_dataset, score_oracle

    facts = describe_dataset(annotations)
    progress.note(facts)
    trunk = _provide_trunk(out, options, progress)
    features = out / f"features-{trunk.stem}"
    small = ["--trunk", SHIFTED, "--num-frames", options.num_frames, "--resize", options.resize]
    steps = ",".join(f"{step:g}" for step in STEPS)
    words = ["--manifest", out / "manifest.csv", "-o", features, "--step", steps, *small, "--checkpoint", trunk]
    extracted = run_command(flags, "extract", *words)
    stores = {
        (spec["step_seconds"], spec["view"]): Path(path)
        for path, spec in zip(extracted["out"], extracted["specs"], strict=True)
    }
    rows = []
    for step in STEPS:
        ceiling = score_oracle(annotations, SUBSET, step, HeadOptions.min_overlap)
        for views in VIEW_SETS:
            sources = [stores[step, view] for view in views]
            rows.append(_fit_and_score(out, annotations, options, flags, sources, views, step, ceiling))
    return BenchmarkResult((*rows, _score_together(out, annotations, flags, features)), facts)


def _provide_trunk(out: Path, options: DemoOptions, progress: Progress) -> Path:
    """Return the trunk's checkpoint in the demo's folder: copied from the package, or trained now."""
    from tsmfeat.workflows.benchmark_trunk import copy_benchmark_trunk, train_benchmark_trunk

    if not options.train:
        return copy_benchmark_trunk(out / "trunk.safetensors")
    path = out / "trained.safetensors"
    if path.exists():
        progress.note(f"{path}: already trained")
        return path
    progress.note(f"training {path} on rendered videos of other seeds")
    report = train_benchmark_trunk(path, progress=progress)
    progress.note("on others again it names " + json.dumps({k: round(v, 3) for k, v in report.validation.items()}))
    return path


def _fit_and_score(
    out: Path,
    annotations: Path,
    options: DemoOptions,
    flags: list[str],
    sources: list[Path],
    views: tuple[str, ...],
    step: float,
    ceiling: float,
) -> BenchmarkRow:
    name = f"{'+'.join(views)}_t{step:g}"
    heads = out / f"heads-{name}.safetensors"
    joined = ["--views", ",".join(views)] if len(views) > 1 else []
    fitting = ["--epochs", options.epochs, "--lr", options.lr, "--dropout", options.dropout, "--seed", options.seed]
    stores = [word for source in sources for word in ("--features", source)]
    where = [*stores, "--annotations", annotations, "--subset", SUBSET, "--out", out / f"scores-{name}"]
    run_command(flags, "fit-heads", *sources, "--annotations", annotations, "-o", heads, *joined, *fitting)
    scored = run_command(flags, "score", heads, *where)
    from tsmfeat.workflows.demonstration import measure_direction

    direction = None if joined else measure_direction(heads, sources[0], annotations, SUBSET)
    return BenchmarkRow(name, scored["final_score"], direction, scored["scene_accuracy"], ceiling)


def _score_together(out: Path, annotations: Path, flags: list[str], features: Path) -> BenchmarkRow:
    heads = [out / f"heads-{'+'.join(VIEW_SETS[-1])}_t{step:g}.safetensors" for step in STEPS]
    where = ["--features", features, "--annotations", annotations, "--subset", SUBSET]
    scored = run_command(flags, "score", *heads, *where, "--weights", "validation", "--out", out / "scores-together")
    return BenchmarkRow("all steps together", scored["final_score"], None, scored["scene_accuracy"], None)


def describe_benchmark(out: Path, result: BenchmarkResult, seconds: float) -> str:
    """Return the table of results, what it shows, and where everything lies.

    Parameters
    ----------
    out
        The demo's folder.
    result
        What was reached.
    seconds
        Wall time.
    """
    lines = [f"{'held-out videos':<32}{'final':>8}{'ceiling':>9}{'direction':>11}{'scene':>8}"]
    for row in result.rows:
        numbers = zip((8, 9, 11, 8), (row.final_score, row.ceiling, row.direction, row.scene_accuracy), strict=True)
        lines.append(f"{row.what:<32}" + "".join(f"{_number(value):>{width}}" for width, value in numbers))
    table = "\n".join(lines)
    return f"""
{table}

final: mean of the mAP at tIoU .5, .75, .95. ceiling: were every interval labelled rightly. direction: right one of a
pair, if the pair is right (chance .5). scene: videos whose scene is named rightly (chance .125).
{result.facts}.

{seconds:.0f} s. In {out}/: videos/, manifest.csv, annotations.json, features-*/, heads-*.safetensors, scores-*/"""


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
