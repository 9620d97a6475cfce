"""`tsmfeat score`: heads and prediction files → the final score."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tsmfeat.errors import IncompleteError
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.metrics.options import BUCKETS, MEASURES, UNITS, StatisticsOptions
from tsmfeat.metrics.presets import PRESETS
from tsmfeat.metrics.protocols import PROTOCOLS
from tsmfeat.priors.options import PriorOptions
from tsmfeat.workflows.score_options import ScoreOptions, SearchOptions
from tsmfeat_cli.common import Config, Debug, Json, Quiet, Verbose, parse_numbers, parse_switch
from tsmfeat_cli.protocol_tables import describe_protocols
from tsmfeat_cli.recording import AUTO, Record, record_run
from tsmfeat_cli.score_tables import describe_scores
from tsmfeat_cli.shared_options import (
    ClassThreshold,
    Folds,
    Fusion,
    FusionMaxSegments,
    FusionMinScore,
    FusionSigma,
    FusionTiou,
    Gamma,
    Localize,
    MaxGap,
    MinDuration,
    Missing,
    Outside,
    PriorAnnotations,
    PriorSubset,
    Refine,
    SegmentScore,
    Smooth,
    Tail,
    Threshold,
    Transitions,
    Union,
    VideoPrior,
    Weights,
    parse_class_thresholds,
    parse_gamma,
    parse_threshold,
    parse_weights,
)
from tsmfeat_cli.stdout import write_data
from tsmfeat_cli.terminal import TerminalProgress

_PRESET_NAMES = ", ".join(preset.name for preset in PRESETS)
_PROTOCOL_NAMES = ", ".join(record.name for record in PROTOCOLS)

_RULES_PANEL = "Rules of the score"
_EXTRAS_PANEL = "Beside the score"
_STATISTICS_PANEL = "How sure it is"


def _list_protocols(wanted: bool) -> None:
    if wanted:
        write_data(describe_protocols())
        raise typer.Exit


def command(
    ctx: typer.Context,
    sources: Annotated[list[Path], typer.Argument(help="Heads, interval scores, prediction files; several are fused.")],
    annotations: Annotated[
        Path, typer.Option("--annotations", help="ActivityNet JSON, CSV, BinEgo-360, THUMOS14 or 360+x.")
    ],
    features: Annotated[
        list[Path] | None,
        typer.Option("--features", help="Store of the heads; repeat it: each checkpoint takes that of its own spec."),
    ] = None,
    classes: Annotated[
        str, typer.Option("--classes", help="File of class names: the vocabulary, and what class ids mean.")
    ] = ScoreOptions.classes,
    subset: Annotated[str, typer.Option("--subset", help="Videos to evaluate on.")] = ScoreOptions.subset,
    blocked: Annotated[
        str,
        typer.Option("--blocked", help="File of videos left out on both sides: a JSON list, or an id a line."),
    ] = ScoreOptions.blocked,
    outside: Outside = ScoreOptions.outside,
    protocol: Annotated[
        str,
        typer.Option(
            "--protocol", help=f"{_PROTOCOL_NAMES}; of several the first counts.", rich_help_panel=_RULES_PANEL
        ),
    ] = ScoreOptions.protocol,
    list_protocols: Annotated[
        bool,
        typer.Option(
            "--list-protocols",
            callback=_list_protocols,
            is_eager=True,
            help="Describe them, and end.",
            rich_help_panel=_RULES_PANEL,
        ),
    ] = False,
    preset: Annotated[
        str, typer.Option("--preset", help=f"Thresholds of a data set: {_PRESET_NAMES}.", rich_help_panel=_RULES_PANEL)
    ] = ScoreOptions.preset,
    tiou: Annotated[
        str,
        typer.Option(
            "--tiou", help="Thresholds, such as 0.5,0.75,0.95. Default: the protocol's.", rich_help_panel=_RULES_PANEL
        ),
    ] = "",
    weights: Weights = str(ScoreOptions.weights),
    fusion: Fusion = FusionOptions.fusion,
    fusion_tiou: FusionTiou = FusionOptions.fusion_tiou,
    missing: Missing = FusionOptions.missing,
    union: Union = FusionOptions.union,
    fusion_sigma: FusionSigma = FusionOptions.sigma,
    fusion_min_score: FusionMinScore = FusionOptions.min_score,
    fusion_max_segments: FusionMaxSegments = FusionOptions.max_segments,
    folds: Folds = SearchOptions.folds,
    compare_fusions: Annotated[
        bool,
        typer.Option(
            "--compare-fusions",
            help="Score every fusion of the sources, and the best source alone.",
            rich_help_panel=_EXTRAS_PANEL,
        ),
    ] = ScoreOptions.compare_fusions,
    localize: Localize = LocalizationOptions.localize,
    threshold: Threshold = str(LocalizationOptions.threshold),
    class_threshold: ClassThreshold = None,
    smooth: Smooth = LocalizationOptions.smooth,
    transitions: Transitions = ScoreOptions.transitions,
    max_gap: MaxGap = LocalizationOptions.max_gap,
    min_duration: MinDuration = LocalizationOptions.min_duration,
    tail: Tail = LocalizationOptions.tail,
    refine: Refine = "on" if LocalizationOptions.refine else "off",
    segment_score: SegmentScore = LocalizationOptions.segment_score,
    compare: Annotated[
        list[Path] | None,
        typer.Option(
            "--compare",
            help="Test against another source, on the same resampled videos; repeat it.",
            rich_help_panel=_STATISTICS_PANEL,
        ),
    ] = None,
    bootstrap: Annotated[
        int,
        typer.Option(
            "--bootstrap",
            help="Resamples of the videos: 95 % intervals of the score.",
            rich_help_panel=_STATISTICS_PANEL,
        ),
    ] = StatisticsOptions.bootstrap,
    split_bootstrap: Annotated[
        int,
        typer.Option(
            "--split-bootstrap",
            help="How far a ranking moves between two test sets of this many videos.",
            rich_help_panel=_STATISTICS_PANEL,
        ),
    ] = StatisticsOptions.split_bootstrap,
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            help="Of resamples, and of the candidates of --weights learned.",
            rich_help_panel=_STATISTICS_PANEL,
        ),
    ] = StatisticsOptions.seed,
    diagnosis: Annotated[
        str,
        typer.Option(
            "--diagnosis",
            help=f"Kinds of errors, their costs, and hard truths by buckets: {', '.join(BUCKETS)}.",
            rich_help_panel=_EXTRAS_PANEL,
        ),
    ] = StatisticsOptions.diagnosis,
    video_prior: VideoPrior = PriorOptions.video_prior,
    gamma: Gamma = str(PriorOptions.gamma),
    prior_annotations: PriorAnnotations = PriorOptions.prior_annotations,
    prior_subset: PriorSubset = PriorOptions.prior_subset,
    unit: Annotated[
        str,
        typer.Option(
            "--unit",
            help=f"{', '.join(UNITS)}: whole videos, or BinEgo-360's bins of ten seconds.",
            rich_help_panel=_RULES_PANEL,
        ),
    ] = ScoreOptions.unit,
    measures: Annotated[
        str,
        typer.Option(
            "--measures", help=f"Beside AP, a comma list of {', '.join(MEASURES)}.", rich_help_panel=_EXTRAS_PANEL
        ),
    ] = ",".join(ScoreOptions.measures),
    frame_step: Annotated[
        float,
        typer.Option("--frame-step", help="Seconds of a frame, for --measures frames.", rich_help_panel=_EXTRAS_PANEL),
    ] = ScoreOptions.frame_step_seconds,
    per_class: Annotated[
        bool, typer.Option("--per-class", help="Show the AP of every class.", rich_help_panel=_EXTRAS_PANEL)
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for scores.json, predictions.json and per_class.csv.")
    ] = None,
    min_score: Annotated[
        float | None, typer.Option("--min-score", help="End with exit code 3 below this final score.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Invalid rows and unknown classes are errors, all of them listed.")
    ] = ScoreOptions.strict,
    record: Record = AUTO,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """Score heads and prediction files: AP per class and tIoU, their mean, and the final score.

    One source is scored as it is; several are fused first.

    Example: tsmfeat score heads.safetensors --features features.h5 --annotations gt.json --subset testing
    """
    first_protocol, *other_protocols = dict.fromkeys(protocol.split(","))
    options = ScoreOptions(
        LocalizationOptions(
            localize,
            parse_threshold(threshold),
            max_gap,
            min_duration,
            tail,
            smooth,
            parse_switch(refine, "--refine"),
            parse_class_thresholds(class_threshold),
            segment_score,
        ),
        FusionOptions(
            fusion,
            fusion_tiou,
            missing,
            union,
            sigma=fusion_sigma,
            min_score=fusion_min_score,
            max_segments=fusion_max_segments,
        ),
        first_protocol,
        parse_numbers(tiou, "--tiou") if tiou else None,
        subset,
        parse_weights(weights),
        strict,
        classes,
        StatisticsOptions(bootstrap, tuple(str(path) for path in compare or ()), split_bootstrap, seed, diagnosis),
        PriorOptions(video_prior, parse_gamma(gamma), prior_annotations, prior_subset, num_folds=folds),
        SearchOptions(folds, seed),
        compare_fusions,
        tuple(measures.split(",")) if measures else (),
        frame_step,
        transitions,
        unit,
        tuple(other_protocols),
        preset,
        blocked,
        outside,
    )
    from tsmfeat.workflows.run_records import score_parts
    from tsmfeat.workflows.score_files import SCORE_FILES, require_scores_output, write_scores
    from tsmfeat.workflows.scoring import score

    if out is not None:
        require_scores_output(out, sources, annotations, options)
    with TerminalProgress(quiet) as progress:
        report = score(sources, annotations, features or [], options, progress)
        if out is not None:
            write_scores(report, out)
            progress.note(f"{out}: {', '.join(SCORE_FILES)}")
        record_run(ctx, record, out, lambda: score_parts(report, features or [], annotations), progress)
        parts = ", ".join(f"{part} {seconds:.2f}" for part, seconds in report.seconds_by_part.items())
        progress.note(f"scored in {report.seconds:.1f} s" + (f": {parts}" if verbose else ""))
    write_data(json.dumps(report.to_dict()) if as_json else describe_scores(report, per_class or verbose))
    final = report.evaluation.final_score
    if min_score is not None and final < min_score:
        raise IncompleteError(f"final score {final:.4f} is below --min-score {min_score}", "see the scores above")
