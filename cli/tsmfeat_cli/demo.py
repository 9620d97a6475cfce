"""`tsmfeat demo`: the main job on rendered video files, each command printed before it runs."""

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from tsmfeat.errors import IncompleteError
from tsmfeat.heads.options import HeadOptions
from tsmfeat.workflows.options import DEMO_SIZES, DemoOptions
from tsmfeat_cli.common import Config, Debug, Json, Quiet, Verbose
from tsmfeat_cli.demo_benchmark import describe_benchmark, run_benchmark
from tsmfeat_cli.demo_commands import run_command
from tsmfeat_cli.demo_report import ChainResult, describe_demo, missed_bounds
from tsmfeat_cli.stdout import write_data
from tsmfeat_cli.terminal import TerminalProgress

SUBSET = "testing"
_NUMBERS = ", ".join(f"{number} ({size})" for size, number in DEMO_SIZES.items())


def command(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for everything the demo makes.")] = Path(
        "tsmfeat-demo"
    ),
    num_videos: Annotated[
        int | None, typer.Option("--num-videos", help=f"Videos to render. Default: {_NUMBERS}.")
    ] = DemoOptions.num_videos,
    size: Annotated[
        str,
        typer.Option("--size", help=f"{', '.join(DEMO_SIZES)} (longer videos, two views, much harder)."),
    ] = DemoOptions.size,
    scene_information: Annotated[
        float,
        typer.Option("--scene-information", help="Of the benchmark: bits that a video's scene tells of its actions."),
    ] = DemoOptions.scene_information,
    train: Annotated[
        bool, typer.Option("--train", help="Of the benchmark: train the trunk anew, on rendered videos of other seeds.")
    ] = DemoOptions.train,
    seed: Annotated[
        int, typer.Option("--seed", help="Of the videos, the random trunk and the heads.")
    ] = DemoOptions.seed,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """Render annotated videos, then extract, fit-heads and score them: with the temporal shift and without.

    The benchmark is harder: two views, three steps, and a trunk trained on rendered videos of other seeds.

    Example: tsmfeat demo -o tsmfeat-demo
    Example: tsmfeat demo --size benchmark -o tsmfeat-benchmark
    """
    began = time.monotonic()
    options = DemoOptions(num_videos, seed, size=size, scene_information=scene_information, train=train)
    from tsmfeat.workflows.demonstration import render_dataset

    flags = [flag for flag, on in (("--quiet", quiet), ("--verbose", verbose), ("--debug", debug)) if on]
    with TerminalProgress(quiet) as progress:
        progress.note(f"rendering {options.count} H.264 videos into {out / 'videos'}")
        annotations = render_dataset(out, options, progress).annotations
        if size == "benchmark":
            found = run_benchmark(out, annotations, options, flags, progress)
            seconds = time.monotonic() - began
            rows = {row.what: {**vars(row)} for row in found.rows}
            write_data(
                json.dumps({"rows": rows, "out": str(out), "seconds": seconds})
                if as_json
                else describe_benchmark(out, found, seconds)
            )
            return
    _run_small(out, annotations, options, flags, began, as_json)


def _run_small(
    out: Path, annotations: Path, options: DemoOptions, flags: list[str], began: float, as_json: bool
) -> None:
    from tsmfeat.workflows.demonstration import score_oracle

    chains = {shift: _run_chain(out, annotations, options, shift, flags) for shift in ("on", "off")}
    ceiling = score_oracle(annotations, SUBSET, options.step_seconds, HeadOptions.min_overlap)
    seconds = time.monotonic() - began
    if as_json:
        results = {f"shift_{shift}": vars(result) for shift, result in chains.items()}
        write_data(json.dumps({**results, "oracle_ceiling": ceiling, "out": str(out), "seconds": seconds}))
    else:
        write_data(describe_demo(out, options, chains["on"], chains["off"], ceiling, seconds))
    missed = missed_bounds(chains["on"], chains["off"])
    if missed and options.count >= DEMO_SIZES[options.size]:
        raise IncompleteError(f"the demo reached less than it promises: {'; '.join(missed)}", "report this")


def _run_chain(out: Path, annotations: Path, options: DemoOptions, shift: str, flags: list[str]) -> ChainResult:
    """Run the three commands as a user would, and return what they reached on held-out videos."""
    features, heads = out / f"features-shift-{shift}.h5", out / f"heads-shift-{shift}.safetensors"
    small = ["--trunk", options.trunk, "--num-frames", options.num_frames, "--resize", options.resize]
    random = ["--checkpoint", f"random:{options.seed}", "--shift", shift]
    extract = ["extract", out / "videos", "-o", features, "-t", options.step_seconds, *small, *random]
    fitting = ["--epochs", options.epochs, "--lr", options.lr, "--dropout", options.dropout, "--seed", options.seed]
    where = ["--features", features, "--annotations", annotations, "--subset", SUBSET]
    extracted = run_command(flags, *extract)
    run_command(flags, "fit-heads", features, "--annotations", annotations, "-o", heads, *fitting)
    scored = run_command(flags, "score", heads, *where, "--out", out / f"scores-shift-{shift}")
    from tsmfeat.workflows.demonstration import measure_direction

    direction = measure_direction(heads, features, annotations, SUBSET)
    return ChainResult(scored["final_score"], direction, scored["scene_accuracy"], extracted["spec"]["precision"])
