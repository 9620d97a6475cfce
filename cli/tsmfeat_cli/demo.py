"""`tsmfeat demo`: the main job on rendered video files, each command printed before it runs."""

import json
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from tsmfeat.errors import TsmfeatError
from tsmfeat.heads.options import HeadOptions
from tsmfeat.workflows.options import DemoOptions
from tsmfeat_cli.common import Config, Debug, Json, Quiet, Verbose
from tsmfeat_cli.stdout import write_data
from tsmfeat_cli.terminal import TerminalProgress

SUBSET = "testing"


@dataclass(frozen=True)
class _Result:
    final_score: float
    direction: float
    scene_accuracy: float
    precision: str


def command(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for everything the demo makes.")] = Path(
        "tsmfeat-demo"
    ),
    num_videos: Annotated[int, typer.Option("--num-videos", help="Videos to render.")] = DemoOptions.num_videos,
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
    options = DemoOptions(num_videos, seed)
    from tsmfeat.workflows.demonstration import render_dataset, score_oracle

    with TerminalProgress(quiet) as progress:
        progress.note(f"rendering {num_videos} H.264 videos into {out / 'videos'}")
        files = render_dataset(out, options, progress)
        with_shift = _run_chain(out, files.annotations, options, "on", progress)
        without = _run_chain(out, files.annotations, options, "off", progress)
        ceiling = score_oracle(files.annotations, SUBSET, options.step_seconds, HeadOptions.min_overlap)
    seconds = time.monotonic() - began
    if as_json:
        both = {"shift_on": vars(with_shift), "shift_off": vars(without)}
        write_data(json.dumps({**both, "oracle_ceiling": ceiling, "out": str(out), "seconds": seconds}))
    else:
        write_data(_report(out, options, with_shift, without, ceiling, seconds))


def _run_chain(out: Path, annotations: Path, options: DemoOptions, shift: str, progress: TerminalProgress) -> _Result:
    """Run the three commands as a user would, and return what they reached on held-out videos."""
    features, heads = out / f"features-shift-{shift}.h5", out / f"heads-shift-{shift}.safetensors"
    small = ["--trunk", options.trunk, "--num-frames", options.num_frames, "--resize", options.resize]
    random = ["--checkpoint", f"random:{options.seed}", "--shift", shift]
    extracted = _run(progress, "extract", out / "videos", "-o", features, "-t", options.step_seconds, *small, *random)
    fitting = ["--epochs", options.epochs, "--lr", options.lr, "--dropout", options.dropout, "--seed", options.seed]
    _run(progress, "fit-heads", features, "--annotations", annotations, "-o", heads, *fitting)
    where = ["--features", features, "--annotations", annotations, "--subset", SUBSET]
    scored = _run(progress, "score", heads, *where, "--out", out / f"scores-shift-{shift}")
    from tsmfeat.workflows.demonstration import measure_direction

    direction = measure_direction(heads, features, annotations, SUBSET)
    return _Result(scored["final_score"], direction, scored["scene_accuracy"], extracted["spec"]["precision"])


def _run(progress: TerminalProgress, *words: object) -> dict[str, Any]:
    """Run one command in a process of its own; its progress is shown, its JSON returned."""
    line = [str(word) for word in words]
    progress.note(f"\n$ tsmfeat {shlex.join(line)}")
    done = subprocess.run([sys.executable, "-m", "tsmfeat_cli", *line, "--json"], stdout=subprocess.PIPE)
    if done.returncode:
        raise TsmfeatError(f"the command above ended with exit code {done.returncode}", "see what it printed")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _report(
    out: Path, options: DemoOptions, with_shift: _Result, without: _Result, ceiling: float, seconds: float
) -> str:
    return f"""
On {options.num_testing} held-out videos             shift on   shift off
final score (mean mAP .5/.75/.95)   {with_shift.final_score:8.3f}    {without.final_score:8.3f}
direction, given the right pair     {with_shift.direction:8.3f}    {without.direction:8.3f}   (chance .5)
scene accuracy                      {with_shift.scene_accuracy:8.3f}    {without.scene_accuracy:8.3f}
Ceiling of a {options.step_seconds:g} s grid: {ceiling:.3f} (all intervals named rightly, but segments end between the lines).

The trunk is random: nobody trained it. It still works because the scenes are calm and one bright object moves: even
random filters tell such pictures apart, and a linear head picks out what it needs. Each pair of actions shows the same
frames in opposite order, so without the shift the features cannot know the direction; the shift is what sees time.
With trained weights (--checkpoint FILE) the same commands work on real videos.

Precision {with_shift.precision}; {seconds:.0f} s. Everything lies in {out}/ to play with:
  videos/, annotations.json            the data
  features-shift-*.h5                  stores: tsmfeat inspect {out}/features-shift-on.h5
  heads-shift-*.safetensors            heads
  scores-shift-*/                      scores.json, predictions.json, per_class.csv
"""
