"""`tsmfeat tune`: out-of-fold scores or predictions → the post-processing that serves best, as a TOML file."""

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsmfeat.priors.options import PriorOptions
from tsmfeat.workflows.tune_options import TuneOptions
from tsmfeat_cli.common import Config, Debug, Json, Quiet, Verbose, command_line, parse_numbers
from tsmfeat_cli.recording import AUTO, Record, record_run
from tsmfeat_cli.shared_options import Outside, PriorAnnotations, PriorSubset, VideoPrior
from tsmfeat_cli.stdout import write_data
from tsmfeat_cli.terminal import TerminalProgress
from tsmfeat_cli.tune_tables import describe_tuning

if TYPE_CHECKING:
    from tsmfeat.workflows.tuning_report import TuneReport


def command(
    ctx: typer.Context,
    annotations: Annotated[Path, typer.Option("--annotations", help="Of the same videos, in any known format.")],
    scores: Annotated[
        list[Path] | None,
        typer.Option("--scores", help="Interval scores of a model, out of fold, or a folder of them; repeatable."),
    ] = None,
    predictions: Annotated[
        list[Path] | None,
        typer.Option("--predictions", help="Prediction file of a model, out of fold: only its fusion is searched."),
    ] = None,
    heads: Annotated[
        list[Path] | None, typer.Option("--heads", help="Heads that did not see these videos, with --features.")
    ] = None,
    features: Annotated[
        list[Path] | None, typer.Option("--features", help="Store of the heads; each takes that of its own spec.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="TOML file for --config of other commands.")] = None,
    search: Annotated[
        str, typer.Option("--search", help="What to try, such as 'smooth=none,mean:9;max-gap=0,1,2'.")
    ] = TuneOptions.search,
    budget: Annotated[
        int, typer.Option("--budget", help="Settings tried by each search: one on all videos, one without each fold.")
    ] = TuneOptions.budget,
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="End the search after so long; another run may find another.")
    ] = TuneOptions.seconds,
    folds: Annotated[
        int, typer.Option("--folds", help="Of videos: each is judged with what the others chose.")
    ] = TuneOptions.num_folds,
    seed: Annotated[int, typer.Option("--seed", help="Of the search and of the resamples.")] = TuneOptions.seed,
    protocol: Annotated[
        str, typer.Option("--protocol", help="tsmfeat score --list-protocols describes them.")
    ] = TuneOptions.protocol,
    tiou: Annotated[
        str, typer.Option("--tiou", help="Thresholds, such as 0.5,0.75,0.95. Default: the protocol's.")
    ] = "",
    subset: Annotated[str, typer.Option("--subset", help="Videos to tune on.")] = TuneOptions.subset,
    outside: Outside = TuneOptions.outside,
    strict: Annotated[
        bool, typer.Option("--strict", help="Invalid rows and unknown classes are errors, all of them listed.")
    ] = TuneOptions.strict,
    classes: Annotated[
        str, typer.Option("--classes", help="File of class names: the vocabulary, and what class ids mean.")
    ] = TuneOptions.classes,
    video_prior: VideoPrior = PriorOptions.video_prior,
    prior_annotations: PriorAnnotations = PriorOptions.prior_annotations,
    prior_subset: PriorSubset = PriorOptions.prior_subset,
    bootstrap: Annotated[
        int, typer.Option("--bootstrap", help="Resamples of the videos, for the interval of the gain.")
    ] = TuneOptions.num_resamples,
    force: Annotated[
        bool, typer.Option("--force", help="Write the setting found even where it gains nothing on held-out videos.")
    ] = TuneOptions.force,
    record: Record = AUTO,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """Choose smoothing, thresholds, gaps, fusion and weights on out-of-fold scores, and say what that gains elsewhere.

    Example: tsmfeat tune --scores oof.safetensors --annotations gt.json --subset tuning -o tuned.toml
    """
    options = TuneOptions(
        search,
        budget,
        seconds,
        folds,
        seed,
        protocol,
        parse_numbers(tiou, "--tiou") if tiou else None,
        subset,
        strict,
        classes,
        PriorOptions(video_prior, prior_annotations=prior_annotations, prior_subset=prior_subset),
        bootstrap,
        force,
        outside,
    )
    from tsmfeat.workflows.run_records import tune_parts
    from tsmfeat.workflows.tuning import tune

    sources = [*(scores or []), *(predictions or []), *(heads or [])]
    with TerminalProgress(quiet) as progress:
        report = tune(sources, annotations, out, features or [], options, progress)
        record_run(ctx, record, out, lambda: tune_parts(report, features or [], annotations), progress)
        if not report.is_kept:
            progress.warn(
                "no gain that would hold on other videos" + (f"; {out} holds the defaults (--force)" if out else "")
            )
    write_data(json.dumps(report.to_dict()) if as_json else describe_tuning(report, verbose))
    _summarize(report, annotations, progress)


def _summarize(report: "TuneReport", annotations: Path, progress: TerminalProgress) -> None:
    progress.note(
        f"{report.num_settings:,} settings in {report.search_seconds:.1f} s, {report.settings_per_minute:,.0f} a minute"
    )
    if report.out:
        words = ["score", *report.sources, "--config", report.out, "--annotations", annotations]
        words += ["--subset", report.options.subset] if report.options.subset else []
        progress.note(f"{report.out}: tables for --config of {_list_tables(Path(report.out))}")
        progress.note("next, on other videos: " + command_line(*words))


def _list_tables(path: Path) -> str:
    *others, last = tomllib.loads(path.read_text(encoding="utf-8"))
    return f"{', '.join(others)} and {last}" if others else last
