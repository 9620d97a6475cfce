"""`tsmfeat doctor`: what this machine has and lacks, and how to mend it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsmfeat.errors import EnvironmentLackError
from tsmfeat_cli.common import Config, Debug, Json, Quiet, Verbose
from tsmfeat_cli.stdout import write_data

if TYPE_CHECKING:
    from tsmfeat.workflows.examination import Comparison, Examination

_MARKS = {"ok": "ok   ", "note": "note ", "lacks": "LACKS"}


def command(
    video: Annotated[
        Path | None, typer.Option("--video", help="A file to read with each decoder and compare, frame by frame.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """Tell what this machine has and lacks for the work, and how to mend it.

    With --video the decoders are compared too: where one of them is wrong, it shows here.

    Example: tsmfeat doctor --json
    """
    from tsmfeat.workflows.examination import doctor

    found = doctor(video)
    write_data(json.dumps(found.to_dict()) if as_json else _describe(found))
    if found.lacks:
        names = ", ".join(check.name for check in found.lacks)
        raise EnvironmentLackError(f"this machine lacks something: {names}", found.lacks[0].hint)


def _describe(found: "Examination") -> str:
    lines = []
    for check in found.checks:
        lines.append(f"{_MARKS[check.status]} {check.name:<12} {check.found}")
        if check.hint:
            lines.append(f"{'':<19}-> {check.hint}")
    if found.video:
        lines += ["", _video_line(found.video), *(_comparison_line(entry) for entry in found.comparisons)]
        why = found.video["why_unsafe"]
        lines.append(f"decord must not read it: {why}" if why else "the pre-flight lets decord read it")
        if any(entry.decoder == "torchcodec" for entry in found.comparisons):
            unfit = found.video["why_unfit_for_torchcodec"]
            lines.append(f"torchcodec must not read it: {unfit}" if unfit else "the pre-flight lets torchcodec read it")
        if any(entry.error for entry in found.comparisons) and not why:
            lines.append("a decoder stopped: the file is damaged, and tsmfeat validate --deep says how")
    return "\n".join(lines)


def _video_line(video: dict[str, object]) -> str:
    turned = f", shown turned by {video['rotation']} degrees" if video["rotation"] else ""
    return (
        f"{video['path']}: {video['codec']} in {video['container']}, {video['width']}×{video['height']}, "
        f"{video['bit_depth']} bits{turned}, {video['num_frames']} frames in {video['duration_seconds']:.3f} s"
    )


def _comparison_line(entry: "Comparison") -> str:
    if entry.first_difference is None:
        verdict = "" if entry.decoder == "pyav" else ", all equal to PyAV's"
    else:
        verdict = f", {entry.num_equal} equal to PyAV's, the first that is not: {entry.first_difference}"
    stopped = f"; stopped: {entry.error}" if entry.error else ""
    return f"{entry.decoder:<11}{entry.num_frames} frames in {entry.seconds:.2f} s{verdict}{stopped}"
