"""`tsmfeat fuse`: prediction files → one."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsmfeat.formats.options import FORMATS_OF
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.priors.options import PriorOptions
from tsmfeat.workflows.score_options import FuseOptions, SearchOptions
from tsmfeat_cli.common import Config, Debug, Json, Quiet, Verbose, command_line, parse_numbers
from tsmfeat_cli.score_tables import describe_learning, describe_prior
from tsmfeat_cli.shared_options import (
    Decimals,
    Folds,
    Fusion,
    FusionMaxSegments,
    FusionMinScore,
    FusionSigma,
    FusionTiou,
    Gamma,
    Missing,
    PriorAnnotations,
    PriorSubset,
    SearchSeed,
    Union,
    VideoPrior,
    parse_gamma,
    parse_weights,
)
from tsmfeat_cli.stdout import write_data
from tsmfeat_cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from tsmfeat.workflows.fusing import FuseReport


def command(
    sources: Annotated[list[Path], typer.Argument(help="Prediction files of any known format.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The prediction file to write.")],
    weights: Annotated[
        str, typer.Option("--weights", help="equal, learned (needs --annotations), or numbers: 0.6,0.4.")
    ] = str(FuseOptions.weights),
    fusion: Fusion = FusionOptions.fusion,
    fusion_tiou: FusionTiou = FusionOptions.fusion_tiou,
    missing: Missing = FusionOptions.missing,
    union: Union = FusionOptions.union,
    decimals: Decimals = FusionOptions.decimals,
    fusion_sigma: FusionSigma = FusionOptions.sigma,
    fusion_min_score: FusionMinScore = FusionOptions.min_score,
    fusion_max_segments: FusionMaxSegments = FusionOptions.max_segments,
    annotations: Annotated[
        Path | None, typer.Option("--annotations", help="What weights are learned on, in any known format.")
    ] = None,
    subset: Annotated[str, typer.Option("--subset", help="Videos to learn on.")] = FuseOptions.subset,
    folds: Folds = SearchOptions.folds,
    seed: SearchSeed = SearchOptions.seed,
    protocol: Annotated[
        str, typer.Option("--protocol", help="Of learning; tsmfeat score --list-protocols describes them.")
    ] = FuseOptions.protocol,
    tiou: Annotated[
        str, typer.Option("--tiou", help="Thresholds of learning, such as 0.5,0.75,0.95. Default: the protocol's.")
    ] = "",
    format_name: Annotated[
        str, typer.Option("--format", help=f"{', '.join(FORMATS_OF['predictions'])}. Default: by the suffix of --out.")
    ] = FuseOptions.format_name,
    classes: Annotated[
        str, typer.Option("--classes", help="File of class names, for forms that hold class ids.")
    ] = FuseOptions.classes,
    sample: Annotated[
        str, typer.Option("--sample", help="Sample submission of BinEgo-360: its rows are written.")
    ] = FuseOptions.sample,
    strict: Annotated[
        bool, typer.Option("--strict", help="Invalid rows and unknown classes are errors, all of them listed.")
    ] = FuseOptions.strict,
    video_prior: VideoPrior = PriorOptions.video_prior,
    gamma: Gamma = str(PriorOptions.gamma),
    prior_annotations: PriorAnnotations = PriorOptions.prior_annotations,
    prior_subset: PriorSubset = PriorOptions.prior_subset,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """Fuse prediction files into one; a single file is post-processed by the same rule.

    Example: tsmfeat fuse a.json b.json -o fused.json --fusion wbf --weights 0.6,0.4
    """
    options = FuseOptions(
        FusionOptions(
            fusion, fusion_tiou, missing, union, decimals, fusion_sigma, fusion_min_score, fusion_max_segments
        ),
        parse_weights(weights),
        SearchOptions(folds, seed),
        protocol,
        parse_numbers(tiou, "--tiou") if tiou else None,
        subset,
        format_name,
        classes,
        sample,
        strict,
        PriorOptions(video_prior, parse_gamma(gamma), prior_annotations, prior_subset, num_folds=folds),
    )
    from tsmfeat.workflows.fusing import fuse

    with TerminalProgress(quiet) as progress:
        report = fuse(sources, out, options, annotations, progress)
        _summarize(report, annotations, progress)
    if as_json:
        write_data(json.dumps(report.to_dict()))


def _summarize(report: "FuseReport", annotations: Path | None, progress: TerminalProgress) -> None:
    if report.learned is not None:
        for line in describe_learning(report.learned, report.sources):
            progress.note(line)
    if report.prior is not None:
        progress.note(describe_prior(report.prior))
    found = report.predictions
    files = "1 file" if len(report.sources) == 1 else f"{len(report.sources)} files"
    progress.note(
        f"{report.out}: {len(found.segments):,} segments in {len(found.video_ids):,} videos of {files}; "
        f"{report.seconds:.1f} s"
    )
    subset = ["--subset", report.options.subset] if report.options.subset else []
    progress.note("next: " + command_line("score", report.out, "--annotations", annotations or "gt.json", *subset))
