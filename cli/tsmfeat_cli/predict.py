"""`tsmfeat predict`: features or raw videos, and heads → a prediction file."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsmfeat.errors import IncompleteError
from tsmfeat.formats.options import FORMATS_OF
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.priors.options import PriorOptions
from tsmfeat.video.options import VideoOptions
from tsmfeat.workflows.predict_options import PredictOptions
from tsmfeat_cli.common import Config, Debug, Json, Quiet, Verbose, command_line, parse_switch, parse_whole_or_auto
from tsmfeat_cli.shared_options import (
    ClassThreshold,
    Fusion,
    FusionMaxSegments,
    FusionMinScore,
    FusionSigma,
    FusionTiou,
    GammaGiven,
    Localize,
    MaxGap,
    MinDuration,
    Missing,
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
    WeightsOfHeads,
    parse_class_thresholds,
    parse_gamma,
    parse_threshold,
    parse_weights,
)
from tsmfeat_cli.signals import StopSignals
from tsmfeat_cli.stdout import write_data
from tsmfeat_cli.terminal import TerminalProgress
from tsmfeat_cli.video_options import (
    AllowPartial,
    BatchSize,
    Decoder,
    Device,
    IdRule,
    MaxBad,
    ReaderMemory,
    ReaderTimeout,
    Workers,
)

if TYPE_CHECKING:
    from tsmfeat.workflows.prediction import PredictReport


def command(
    heads: Annotated[list[Path], typer.Option("--heads", help="Heads checkpoint; repeat it: several are fused.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The prediction file to write.")],
    sources: Annotated[
        list[str] | None,
        typer.Argument(help="Feature stores; or raw videos: files, folders, glob patterns, .txt lists, -."),
    ] = None,
    manifest: Annotated[
        str, typer.Option("--manifest", help="CSV with video_id, view and path of raw videos, for SOURCES.")
    ] = PredictOptions.manifest,
    format_name: Annotated[
        str, typer.Option("--format", help=f"{', '.join(FORMATS_OF['predictions'])}. Default: by the suffix of --out.")
    ] = PredictOptions.format_name,
    classes: Annotated[
        str, typer.Option("--classes", help="File of class names, for forms that hold class ids.")
    ] = PredictOptions.classes,
    sample: Annotated[
        str, typer.Option("--sample", help="Sample submission of BinEgo-360: its rows are written.")
    ] = PredictOptions.sample,
    video: Annotated[
        list[str] | None, typer.Option("--video", help="Predict this stored video only; repeatable.")
    ] = None,
    checkpoint: Annotated[
        list[str] | None,
        typer.Option("--checkpoint", help="Of raw videos: the trunk's FILE, imagenet or random:SEED; one a trunk."),
    ] = None,
    features_out: Annotated[
        str,
        typer.Option("--features-out", help="Keep the features of raw videos: X.h5, or a folder."),
    ] = PredictOptions.features_out,
    save_scores: Annotated[
        list[str] | None,
        typer.Option("--save-scores", help="Keep the interval scores in a file; repeat it once a heads checkpoint."),
    ] = None,
    weights: WeightsOfHeads = str(PredictOptions.weights),
    fusion: Fusion = FusionOptions.fusion,
    fusion_tiou: FusionTiou = FusionOptions.fusion_tiou,
    missing: Missing = FusionOptions.missing,
    union: Union = FusionOptions.union,
    fusion_sigma: FusionSigma = FusionOptions.sigma,
    fusion_min_score: FusionMinScore = FusionOptions.min_score,
    fusion_max_segments: FusionMaxSegments = FusionOptions.max_segments,
    localize: Localize = LocalizationOptions.localize,
    threshold: Threshold = str(LocalizationOptions.threshold),
    class_threshold: ClassThreshold = None,
    smooth: Smooth = LocalizationOptions.smooth,
    transitions: Transitions = PredictOptions.transitions,
    max_gap: MaxGap = LocalizationOptions.max_gap,
    min_duration: MinDuration = LocalizationOptions.min_duration,
    tail: Tail = LocalizationOptions.tail,
    video_prior: VideoPrior = PriorOptions.video_prior,
    gamma: GammaGiven = str(PriorOptions.gamma),
    prior_annotations: PriorAnnotations = PriorOptions.prior_annotations,
    prior_subset: PriorSubset = PriorOptions.prior_subset,
    refine: Refine = "on" if LocalizationOptions.refine else "off",
    segment_score: SegmentScore = LocalizationOptions.segment_score,
    id_rule: IdRule = PredictOptions.id_rule,
    device: Device = PredictOptions.device,
    batch_size: BatchSize = "auto",
    workers: Workers = "auto",
    allow_partial: AllowPartial = VideoOptions.allow_partial,
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
    """Predict segments in stored features or raw videos; no annotations are needed.

    Raw videos are embedded on the fly with the spec the heads were fitted on. Several heads are fused.

    Example: tsmfeat predict features.h5 --heads heads.safetensors -o predictions.json
    """
    options = PredictOptions(
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
        parse_weights(weights),
        tuple(video or ()),
        format_name,
        classes,
        sample,
        tuple(checkpoint or ()),
        features_out,
        id_rule,
        device,
        parse_whole_or_auto(batch_size, "--batch-size"),
        VideoOptions(
            allow_partial=allow_partial,
            max_bad=max_bad,
            workers=parse_whole_or_auto(workers, "--workers"),
            decoder=decoder,
            reader_memory_gb=reader_memory,
            reader_timeout_seconds=reader_timeout,
        ),
        tuple(save_scores or ()),
        PriorOptions(video_prior, parse_gamma(gamma), prior_annotations, prior_subset),
        transitions,
        manifest,
    )
    with StopSignals() as stop, TerminalProgress(quiet) as progress:
        # Loading torch takes seconds: a signal that comes meanwhile counts too.
        from tsmfeat.workflows.prediction import predict

        report = predict(sources or [], heads, out, options, progress, should_stop=lambda: stop.caught is not None)
    if as_json:
        write_data(json.dumps(report.to_dict()))
    if stop.caught is not None and report.stopped:
        kept = "; finished features are kept: run the same command again to go on" if features_out else ""
        progress.warn(f"stopped; {out} is not written{kept}")
        raise typer.Exit(128 + stop.caught)
    _summarize(report, progress)
    if report.failed:
        raise typer.Exit(IncompleteError.exit_code)


def _summarize(report: "PredictReport", progress: TerminalProgress) -> None:
    found = report.to_dict()
    progress.note(
        f"{report.out}: {found['num_segments']:,} segments in {found['num_videos']:,} videos; {report.seconds:.1f} s"
    )
    if report.options.scores_out and report.predictions is not None:
        progress.note(f"{', '.join(report.options.scores_out)}: interval scores, another source for tsmfeat score")
    if report.failed:
        progress.warn(f"{len(report.failed)} videos could not be read and have no predictions")
        for failure in report.failed:
            progress.note(f"failed: {failure['path']}: {failure['reason']}")
    progress.note("next: " + command_line("score", report.out, "--annotations", "gt.json"))
