"""`tsmfeat fit-heads`: features + annotations → heads."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tsmfeat.heads.loss_options import EVERY_ROW
from tsmfeat.heads.options import (
    BALANCED,
    HeadOptions,
)
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat_cli import fit_heads_options as flags
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


# The words on the command line for defaults that are none.
_TASKS, _VIEWS = ",".join(HeadOptions.tasks), ",".join(FitOptions.views)
_STANDARDIZE, _SCENE_PRIOR = switch_word(HeadOptions.standardize), switch_word(FitOptions.scene_prior)


def command(
    ctx: typer.Context,
    features: Annotated[list[Path], typer.Argument(help="Store files or folders of parts, read as one store.")],
    annotations: Annotated[
        Path, typer.Option("--annotations", help="ActivityNet JSON, CSV, BinEgo-360, THUMOS14 or 360+x.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The checkpoint to write.")] = Path("heads.safetensors"),
    tasks: flags.Tasks = _TASKS,
    head: flags.Head = HeadOptions.head,
    epochs: flags.Epochs = HeadOptions.epochs,
    batch_size: flags.BatchSize = HeadOptions.batch_size,
    lr: flags.Lr = HeadOptions.lr,
    momentum: flags.Momentum = HeadOptions.momentum,
    weight_decay: flags.WeightDecay = HeadOptions.weight_decay,
    schedule: flags.Schedule = HeadOptions.schedule,
    dropout: flags.Dropout = HeadOptions.dropout,
    dropout_unit: flags.DropoutUnit = HeadOptions.dropout_unit,
    standardize: flags.Standardize = _STANDARDIZE,
    scene_weight: flags.SceneWeight = HeadOptions.scene_weight,
    background_weight: flags.BackgroundWeight = str(HeadOptions.background_weight),
    min_overlap: flags.MinOverlap = HeadOptions.min_overlap,
    subset: flags.Subset = FitOptions.subset,
    validation_subset: flags.ValidationSubset = FitOptions.validation_subset,
    classes: flags.Classes = FitOptions.classes,
    hidden_size: flags.HiddenSize = HeadOptions.hidden_size,
    solver: flags.Solver = HeadOptions.solver,
    patience: flags.Patience = HeadOptions.patience,
    device: flags.Device = HeadOptions.device,
    views: flags.Views = _VIEWS,
    view_dropout: flags.ViewDropout = HeadOptions.view_dropout,
    num_layers: flags.NumLayers = HeadOptions.num_layers,
    smoothing_loss: flags.SmoothingLoss = HeadOptions.smoothing_loss,
    rank: flags.Rank = HeadOptions.rank,
    num_levels: flags.NumLevels = HeadOptions.num_levels,
    nms_sigma: flags.NmsSigma = HeadOptions.nms_sigma,
    sweep: flags.Sweep = FitOptions.sweep,
    num_seeds: flags.NumSeeds = FitOptions.num_seeds,
    folds: flags.Folds = FitOptions.num_folds,
    group: flags.Group = FitOptions.group,
    save_oof: flags.SaveOof = FitOptions.save_oof,
    pseudo: flags.Pseudo = FitOptions.pseudo,
    pseudo_min_score: flags.PseudoMinScore = FitOptions.pseudo_min_score,
    loss: flags.Loss = HeadOptions.loss,
    label_smoothing: flags.LabelSmoothing = HeadOptions.label_smoothing,
    targets: flags.Targets = HeadOptions.targets,
    background_ratio: flags.BackgroundRatio = str(HeadOptions.background_ratio),
    scene_prior: flags.ScenePrior = _SCENE_PRIOR,
    calibrate: flags.Calibrate = FitOptions.calibrate,
    memory: flags.Memory = FitOptions.memory,
    seed: flags.Seed = HeadOptions.seed,
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
    elif report.num_runs > 1 or report.folds or report.pseudo:
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
        trained_on = ("--subset", report.subset) if report.subset else ()
        progress.note(f"next: {command_line('tune', *words, '--annotations', annotations, *trained_on)}")
    stores = [word for path in features for word in ("--features", path)]
    subset = ("--subset", report.held_out_subset) if report.held_out_subset else ()
    progress.note(f"next: {command_line('score', report.out, *stores, '--annotations', annotations, *subset)}")
