"""`tsmfeat demo`: the main job on rendered video files, each command printed before it runs."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from tsmfeat.errors import IncompleteError
from tsmfeat.heads.options import HeadOptions
from tsmfeat.workflows.options import DEMO_SIZES, DemoOptions
from tsmfeat_cli.common import Config, Debug, Json, Quiet, Verbose, command_line
from tsmfeat_cli.demo_report import ChainResult, describe_demo, missed_bounds
from tsmfeat_cli.failures import show_failure
from tsmfeat_cli.signals import StopSignals
from tsmfeat_cli.stdout import write_data
from tsmfeat_cli.terminal import TerminalProgress

_SECONDS_BETWEEN_LOOKS = 0.2
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
        typer.Option(
            "--size", help=f"{', '.join(DEMO_SIZES)}: minutes long, short and simultaneous actions, two views."
        ),
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

    Example: tsmfeat demo -o tsmfeat-demo
    """
    began = time.monotonic()
    options = DemoOptions(num_videos, seed, size=size, scene_information=scene_information, train=train)
    from tsmfeat.workflows.demonstration import render_dataset, score_oracle

    with TerminalProgress(quiet) as progress:
        progress.note(f"rendering {options.count} H.264 videos into {out / 'videos'}")
        files = render_dataset(out, options, progress)
        flags = [flag for flag, on in (("--quiet", quiet), ("--verbose", verbose), ("--debug", debug)) if on]
        chains = {shift: _run_chain(out, files.annotations, options, shift, flags) for shift in ("on", "off")}
        ceiling = score_oracle(files.annotations, SUBSET, options.step_seconds, HeadOptions.min_overlap)
    seconds = time.monotonic() - began
    if as_json:
        results = {f"shift_{shift}": vars(result) for shift, result in chains.items()}
        write_data(json.dumps({**results, "oracle_ceiling": ceiling, "out": str(out), "seconds": seconds}))
    else:
        write_data(describe_demo(out, options, chains["on"], chains["off"], ceiling, seconds))
    missed = missed_bounds(chains["on"], chains["off"])
    if missed and options.count >= DEMO_SIZES[size]:
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


def run_command(flags: list[str], *words: object) -> dict[str, Any]:
    """Run one of our commands in a process of its own, after printing it; its notes are shown, its JSON returned.

    Raises
    ------
    typer.Exit
        It failed; the exit code is its own.
    """
    line = [str(word) for word in words]
    if "--quiet" not in flags:
        sys.stderr.write(f"\n$ {command_line(*line)}\n")
    returncode, output = _wait_for([sys.executable, "-m", "tsmfeat_cli", *line, "--json", *flags])
    if returncode:
        code = returncode if returncode > 0 else 128 - returncode
        show_failure(f"{command_line(*line)}: ended with exit code {code}", "see what it printed above")
        raise typer.Exit(code)
    result: dict[str, Any] = json.loads(output)
    return result


def _wait_for(words: list[str]) -> tuple[int, bytes]:
    """Run a process to its end; SIGTERM is handed on (terminals hand on SIGINT), so that it is never left behind."""
    with StopSignals() as stop, subprocess.Popen(words, stdout=subprocess.PIPE) as child:
        while True:
            try:
                output, _ = child.communicate(timeout=_SECONDS_BETWEEN_LOOKS)
            except subprocess.TimeoutExpired:
                if stop.caught == signal.SIGTERM:
                    child.terminate()
                continue
            return child.returncode, output
