"""`tsmfeat fit-heads`: features + annotations → heads."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsmfeat.heads.loss_options import EVERY_ROW, LOSSES, TARGETS
from tsmfeat.heads.options import (
    BALANCED,
    CALIBRATIONS,
    DEVICES,
    DROPOUT_UNITS,
    HEADS,
    SCHEDULES,
    SOLVERS,
    TASKS,
    HeadOptions,
)
from tsmfeat.workflows.fit_options import MEMORY, FitOptions
from tsmfeat_cli.common import (
    Config,
    Debug,
    Json,
    Quiet,
    Verbose,
    command_line,
    parse_number_or_word,
    parse_switch,
    parse_words,
)
from tsmfeat_cli.config import switch_word
from tsmfeat_cli.fit_tables import describe_runs
from tsmfeat_cli.recording import AUTO, Record, record_run
from tsmfeat_cli.stdout import write_data
from tsmfeat_cli.terminal import TerminalProgress

if TYPE_CHECKING:
    from tsmfeat.workflows.fit_report import FitReport


# Groups of options in the help.
_HEAD, _TRAINING, _LOSS = "Head", "Training", "Loss and targets"
_VIDEOS, _CHOOSING = "Videos and views", "Choosing"


def command(
    ctx: typer.Context,
    features: Annotated[list[Path], typer.Argument(help="Store files or folders of parts, read as one store.")],
    annotations: Annotated[
        Path, typer.Option("--annotations", help="ActivityNet JSON, CSV, BinEgo-360, THUMOS14 or 360+x.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The checkpoint to write.")] = Path("heads.safetensors"),
    tasks: Annotated[
        str, typer.Option("--tasks", help=f"{','.join(TASKS)} or {TASKS[0]}.", rich_help_panel=_HEAD)
    ] = ",".join(HeadOptions.tasks),
    head: Annotated[str, typer.Option("--head", help=", ".join(HEADS), rich_help_panel=_HEAD)] = HeadOptions.head,
    epochs: Annotated[
        int, typer.Option("--epochs", help="Passes over the training rows.", rich_help_panel=_TRAINING)
    ] = HeadOptions.epochs,
    batch_size: Annotated[
        int, typer.Option("--batch-size", help="Rows a step.", rich_help_panel=_TRAINING)
    ] = HeadOptions.batch_size,
    lr: Annotated[
        float, typer.Option("--lr", help="Learning rate of SGD.", rich_help_panel=_TRAINING)
    ] = HeadOptions.lr,
    momentum: Annotated[
        float, typer.Option("--momentum", help="Of SGD.", rich_help_panel=_TRAINING)
    ] = HeadOptions.momentum,
    weight_decay: Annotated[
        float, typer.Option("--weight-decay", help="On weights.", rich_help_panel=_TRAINING)
    ] = HeadOptions.weight_decay,
    schedule: Annotated[
        str, typer.Option("--schedule", help=", ".join(SCHEDULES), rich_help_panel=_TRAINING)
    ] = HeadOptions.schedule,
    dropout: Annotated[
        float, typer.Option("--dropout", help="Probability.", rich_help_panel=_TRAINING)
    ] = HeadOptions.dropout,
    dropout_unit: Annotated[
        str,
        typer.Option(
            "--dropout-unit",
            help=f"{DROPOUT_UNITS[0]}: per frame, as TSM does, converted; {DROPOUT_UNITS[1]}: as it is.",
            rich_help_panel=_TRAINING,
        ),
    ] = HeadOptions.dropout_unit,
    standardize: Annotated[
        str, typer.Option("--standardize", help="on or off: centre and scale the inputs.", rich_help_panel=_TRAINING)
    ] = switch_word(HeadOptions.standardize),
    scene_weight: Annotated[
        float, typer.Option("--scene-weight", help="Factor of the scene loss.", rich_help_panel=_LOSS)
    ] = HeadOptions.scene_weight,
    background_weight: Annotated[
        str,
        typer.Option(
            "--background-weight", help=f"A number, or {BALANCED}: inverse class frequencies.", rich_help_panel=_LOSS
        ),
    ] = str(HeadOptions.background_weight),
    min_overlap: Annotated[
        float,
        typer.Option(
            "--min-overlap", help="Share of an interval an action must cover to be its target.", rich_help_panel=_LOSS
        ),
    ] = HeadOptions.min_overlap,
    subset: Annotated[
        str,
        typer.Option(
            "--subset", help="Videos to train on. Default: train or training, else all.", rich_help_panel=_VIDEOS
        ),
    ] = FitOptions.subset,
    validation_subset: Annotated[
        str,
        typer.Option(
            "--validation-subset",
            help="Videos to select by. Default: val or validation, else 10 %.",
            rich_help_panel=_VIDEOS,
        ),
    ] = FitOptions.validation_subset,
    classes: Annotated[
        str, typer.Option("--classes", help="File of class names. Default: those annotated.", rich_help_panel=_VIDEOS)
    ] = FitOptions.classes,
    hidden_size: Annotated[
        int, typer.Option("--hidden-size", help="Units of a hidden layer.", rich_help_panel=_HEAD)
    ] = HeadOptions.hidden_size,
    solver: Annotated[
        str,
        typer.Option(
            "--solver", help=f"{', '.join(SOLVERS)} (linear heads: all rows at once).", rich_help_panel=_TRAINING
        ),
    ] = HeadOptions.solver,
    patience: Annotated[
        int,
        typer.Option(
            "--patience",
            help="End a fit after so many epochs without a better score; 0: never.",
            rich_help_panel=_CHOOSING,
        ),
    ] = HeadOptions.patience,
    device: Annotated[
        str, typer.Option("--device", help=", ".join(DEVICES), rich_help_panel=_TRAINING)
    ] = HeadOptions.device,
    views: Annotated[
        str,
        typer.Option(
            "--views",
            help="Views to join, each a store: panoramic,front_view. Default: one store.",
            rich_help_panel=_VIDEOS,
        ),
    ] = ",".join(FitOptions.views),
    view_dropout: Annotated[
        float,
        typer.Option(
            "--view-dropout", help="Probability that a joined view is masked in training.", rich_help_panel=_VIDEOS
        ),
    ] = HeadOptions.view_dropout,
    num_layers: Annotated[
        int,
        typer.Option(
            "--num-layers", help="Of a tcn; L of them see 2^L - 1 intervals on either side.", rich_help_panel=_HEAD
        ),
    ] = HeadOptions.num_layers,
    smoothing_loss: Annotated[
        float,
        typer.Option(
            "--smoothing-loss",
            help="Factor of what a tcn pays for changes between intervals.",
            rich_help_panel=_TRAINING,
        ),
    ] = HeadOptions.smoothing_loss,
    rank: Annotated[
        int,
        typer.Option(
            "--rank", help="Products of an interval with its video, of a conditioned head.", rich_help_panel=_HEAD
        ),
    ] = HeadOptions.rank,
    num_levels: Annotated[
        int,
        typer.Option(
            "--num-levels", help="Of a pyramid: each level has half the places of the one below.", rich_help_panel=_HEAD
        ),
    ] = HeadOptions.num_levels,
    nms_sigma: Annotated[
        float,
        typer.Option(
            "--nms-sigma",
            help="Of a pyramid: the larger, the less overlapping segments are weakened.",
            rich_help_panel=_HEAD,
        ),
    ] = HeadOptions.nms_sigma,
    sweep: Annotated[
        str,
        typer.Option(
            "--sweep", help="Values to try, such as 'lr=0.001,0.01;dropout=0,0.5'.", rich_help_panel=_CHOOSING
        ),
    ] = FitOptions.sweep,
    num_seeds: Annotated[
        int,
        typer.Option(
            "--num-seeds", help="Seeds of each setting, from --seed on; their mean decides.", rich_help_panel=_CHOOSING
        ),
    ] = FitOptions.num_seeds,
    folds: Annotated[
        int,
        typer.Option(
            "--folds",
            help="Of videos: each is scored by heads that did not see it. 0: none.",
            rich_help_panel=_CHOOSING,
        ),
    ] = FitOptions.num_folds,
    group: Annotated[
        str,
        typer.Option(
            "--group",
            help="COLUMN of the annotations, or COLUMN@FILE.csv: equal values share a fold.",
            rich_help_panel=_VIDEOS,
        ),
    ] = FitOptions.group,
    save_oof: Annotated[
        str,
        typer.Option(
            "--save-oof",
            help="Folder for out-of-fold interval scores, which tsmfeat tune takes.",
            rich_help_panel=_CHOOSING,
        ),
    ] = FitOptions.save_oof,
    pseudo: Annotated[
        str,
        typer.Option(
            "--pseudo", help="Predictions taken for truth in videos that nobody annotated.", rich_help_panel=_LOSS
        ),
    ] = FitOptions.pseudo,
    pseudo_min_score: Annotated[
        float, typer.Option("--pseudo-min-score", help="Least score of such a segment.", rich_help_panel=_LOSS)
    ] = FitOptions.pseudo_min_score,
    loss: Annotated[
        str, typer.Option("--loss", help=f"Of the actions: {', '.join(LOSSES)}.", rich_help_panel=_LOSS)
    ] = HeadOptions.loss,
    label_smoothing: Annotated[
        float,
        typer.Option("--label-smoothing", help="Share of a target spread over all classes.", rich_help_panel=_LOSS),
    ] = HeadOptions.label_smoothing,
    targets: Annotated[
        str,
        typer.Option(
            "--targets", help=f"{TARGETS[0]}, or {TARGETS[1]}: by the share of the interval.", rich_help_panel=_LOSS
        ),
    ] = HeadOptions.targets,
    background_ratio: Annotated[
        str,
        typer.Option(
            "--background-ratio",
            help=f"Background rows an epoch for each other row, or {EVERY_ROW}.",
            rich_help_panel=_LOSS,
        ),
    ] = str(HeadOptions.background_ratio),
    scene_prior: Annotated[
        str,
        typer.Option(
            "--scene-prior",
            help="on or off: predicted scenes weigh actions, as strongly as pays.",
            rich_help_panel=_CHOOSING,
        ),
    ] = switch_word(FitOptions.scene_prior),
    calibrate: Annotated[
        str,
        typer.Option(
            "--calibrate",
            help=f"{' or '.join(CALIBRATIONS)}: make probabilities as sure as right.",
            rich_help_panel=_CHOOSING,
        ),
    ] = FitOptions.calibrate,
    memory: Annotated[
        str,
        typer.Option(
            "--memory",
            help=f"{', '.join(MEMORY)}: where the features are while heads are fitted.",
            rich_help_panel=_TRAINING,
        ),
    ] = FitOptions.memory,
    seed: Annotated[
        int, typer.Option("--seed", help="Of everything random.", rich_help_panel=_TRAINING)
    ] = HeadOptions.seed,
    record: Record = AUTO,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """Train multi-task heads on stored features, and keep the epoch with the best validation score.

    Example: tsmfeat fit-heads features.h5 --annotations gt.json -o heads.safetensors
    """
    options = HeadOptions(
        head,
        tuple(tasks.split(",")),
        epochs,
        batch_size,
        lr,
        momentum,
        weight_decay,
        schedule,
        dropout,
        dropout_unit,
        parse_switch(standardize, "--standardize"),
        scene_weight,
        parse_number_or_word(background_weight, BALANCED, "--background-weight"),
        min_overlap,
        seed,
        hidden_size,
        solver,
        patience,
        device,
        view_dropout,
        num_layers,
        smoothing_loss,
        rank,
        loss,
        label_smoothing,
        targets,
        parse_number_or_word(background_ratio, EVERY_ROW, "--background-ratio"),
        num_levels,
        nms_sigma,
    )
    named = parse_words(views, "--views") if views else ()
    fitting = FitOptions(
        options,
        subset,
        validation_subset,
        classes,
        sweep,
        num_seeds,
        folds,
        group,
        save_oof,
        pseudo,
        pseudo_min_score,
        named,
        parse_switch(scene_prior, "--scene-prior"),
        calibrate,
        memory,
    )
    from tsmfeat.workflows.fitting import fit_heads
    from tsmfeat.workflows.run_records import fit_parts

    with TerminalProgress(quiet) as progress:
        report = fit_heads(features, annotations, out, fitting, progress)
        record_run(ctx, record, out, lambda: fit_parts(report, features, annotations, fitting), progress)
    if as_json:
        write_data(json.dumps(report.to_dict()))
    elif report.num_runs > 1 or report.folds:
        write_data(describe_runs(report, verbose))
    if verbose and report.validation is not None:
        progress.note(_describe_validation(report.validation))
    _summarize(report, features, annotations, progress)


def _describe_validation(judged: dict[str, Any]) -> str:
    pairs = zip(judged["map"], judged["tiou_thresholds"], strict=True)
    scenes = "" if judged["scene_accuracy"] is None else f"; scenes {judged['scene_accuracy']:.4f}"
    return "validation mAP: " + ", ".join(f"{value:.4f} at tIoU {t:g}" for value, t in pairs) + scenes


def _describe_calibration(found: Mapping[str, Any]) -> str:
    (error, calibrated), (loss, reached) = found["calibration_error"], found["log_loss"]
    return (
        f"temperature {found['temperature']:.3f}, chosen on {found['num_intervals']:,} intervals; on these the "
        f"expected calibration error went from {error:.4f} to {calibrated:.4f}, the log-loss from {loss:.4f} to "
        f"{reached:.4f}"
    )


def _summarize(report: "FitReport", features: list[Path], annotations: Path, progress: TerminalProgress) -> None:
    judged = report.validation
    where = "out-of-fold" if report.folds else "validation"
    final = "" if judged is None else f", {where} final score {judged['final_score']:.4f}"
    progress.note(
        f"{report.out}: {report.num_training_videos} videos, {report.num_intervals:,} intervals, "
        f"best epoch {report.best_epoch}{final}; {report.seconds:.1f} s"
    )
    if report.calibration:
        progress.note(_describe_calibration(report.calibration))
    for path in [report.sweep_out] if report.sweep_out else []:
        progress.note(f"{path}: all {report.num_runs} runs")
    if report.oof:
        words = [word for path in report.oof for word in ("--scores", path)]
        progress.note(f"next: {command_line('tune', *words, '--annotations', annotations)}")
    stores = [word for path in features for word in ("--features", path)]
    subset = ("--subset", report.held_out_subset) if report.held_out_subset else ()
    progress.note(f"next: {command_line('score', report.out, *stores, '--annotations', annotations, *subset)}")
