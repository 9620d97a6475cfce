"""`tsmfeat validate`: all that is wrong with files of any kind, at once."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsmfeat.errors import InputError
from tsmfeat.video.options import VideoOptions
from tsmfeat.workflows.options import ValidateOptions
from tsmfeat_cli.common import Config, Debug, Json, Quiet, Verbose, parse_whole_or_auto
from tsmfeat_cli.stdout import write_data
from tsmfeat_cli.terminal import TerminalProgress
from tsmfeat_cli.video_options import (
    Decoder,
    MaxBad,
    ReaderMemory,
    ReaderTimeout,
    Workers,
)

if TYPE_CHECKING:
    from tsmfeat.workflows.validation import CheckedFile, ValidateReport

# Problems that break one rule are shown by so many examples, and a file by so many rules.
_MOST_EXAMPLES = 3
_MOST_RULES = 20


def command(
    paths: Annotated[
        list[Path], typer.Argument(help="Stores, checkpoints, annotations, predictions, videos, folders of videos.")
    ],
    against: Annotated[
        str, typer.Option("--against", help="Store, annotations or sample submission to agree with.")
    ] = ValidateOptions.against,
    classes: Annotated[
        str, typer.Option("--classes", help="File of class names: annotations may hold no others.")
    ] = ValidateOptions.classes,
    deep: Annotated[
        bool, typer.Option("--deep", help="Verify every checksum and decode every frame.")
    ] = ValidateOptions.deep,
    workers: Workers = "auto",
    max_bad: MaxBad = VideoOptions.max_bad,
    decoder: Decoder = VideoOptions.decoder,
    reader_memory: ReaderMemory = VideoOptions.reader_memory_gb,
    reader_timeout: ReaderTimeout = VideoOptions.reader_timeout_seconds,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """Check files of any kind, told by their content, and list all problems at once; exit code 4 if there are any.

    Example: tsmfeat validate features.h5 gt.json heads.safetensors
    """
    video = VideoOptions(
        max_bad=max_bad,
        workers=parse_whole_or_auto(workers, "--workers"),
        decoder=decoder,
        reader_memory_gb=reader_memory,
        reader_timeout_seconds=reader_timeout,
    )
    from tsmfeat.workflows.validation import validate

    with TerminalProgress(quiet) as progress:
        report = validate(paths, ValidateOptions(against, classes, deep, video), progress)
        write_data(json.dumps(report.to_dict()) if as_json else _describe(report, verbose))
        _summarize(report, progress)
    if report.num_problems:
        raise typer.Exit(InputError.exit_code)


def _describe(report: "ValidateReport", verbose: bool) -> str:
    return "\n".join(line for file in report.files for line in _lines_of(file, verbose))


def _lines_of(file: "CheckedFile", verbose: bool) -> list[str]:
    if not file.num_problems:
        return [f"{file.path}: {file.kind}, no problem found"]
    count = "1 problem" if file.num_problems == 1 else f"{file.num_problems:,} problems"
    lines = [f"{file.path}: {file.kind}, {count}"]
    if verbose:
        return lines + [f"  {problem}" for problem in file.problems]
    return lines + group_problems(file)


def group_problems(file: "CheckedFile") -> list[str]:
    """Return problems under the rules they break: some examples of each, and how many there are."""
    examples: dict[str, list[str]] = defaultdict(list)
    counts: Counter[str] = Counter()
    for problem in file.problems:
        rule = _rule_of(problem)
        counts[rule] += 1
        if counts[rule] <= _MOST_EXAMPLES:
            examples[rule].append(f"  {problem}")
    lines = []
    for rule, shown in list(examples.items())[:_MOST_RULES]:
        more = counts[rule] - len(shown)
        lines += [*shown, *([f"  ... and {more:,} more of these (--verbose shows them)"] if more else [])]
    hidden = file.num_problems - sum(counts[rule] for rule in list(examples)[:_MOST_RULES])
    return lines + ([f"  ... and {hidden:,} others"] if hidden else [])


def _rule_of(problem: str) -> str:
    """Return what stands behind the last semicolon, or else behind the place."""
    found, _, rule = problem.rpartition("; ")
    return rule if found else problem.partition(": ")[2]


def _summarize(report: "ValidateReport", progress: TerminalProgress) -> None:
    num_bad = sum(bool(file.num_problems) for file in report.files)
    checked = "1 file" if len(report.files) == 1 else f"{len(report.files):,} files"
    found = f"{report.num_problems:,} problems in {num_bad:,} of them" if num_bad else "no problem found"
    progress.note(f"{checked} checked in {report.seconds:.1f} s: {found}")
    if not report.options.deep and not num_bad:
        progress.note("next: --deep also verifies every checksum and decodes every frame")
