"""`tsmfeat score`: heads and prediction files → the final score."""

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsmfeat.errors import IncompleteError, OutputError
from tsmfeat.fusion.options import FUSIONS, MISSING, UNIONS, FusionOptions
from tsmfeat.localization.options import LOCALIZE, TAILS, LocalizationOptions
from tsmfeat.metrics.protocols import PROTOCOLS
from tsmfeat.workflows.options import WEIGHTINGS, ScoreOptions
from tsmfeat_cli.common import Config, Debug, Json, Quiet, Verbose, parse_numbers
from tsmfeat_cli.terminal import TerminalProgress, write_data

if TYPE_CHECKING:
    from tsmfeat.workflows.scoring import ScoreReport

_PROTOCOL_NAMES = ", ".join(record.name for record in PROTOCOLS)


def command(
    sources: Annotated[list[Path], typer.Argument(help="Heads checkpoints and prediction files; several are fused.")],
    annotations: Annotated[Path, typer.Option("--annotations", help="ActivityNet JSON.")],
    features: Annotated[
        list[Path] | None,
        typer.Option("--features", help="Store of the heads; repeat it: each checkpoint takes that of its own spec."),
    ] = None,
    subset: Annotated[str, typer.Option("--subset", help="Videos to evaluate on.")] = "",
    protocol: Annotated[str, typer.Option("--protocol", help=_PROTOCOL_NAMES)] = ScoreOptions.protocol,
    tiou: Annotated[
        str, typer.Option("--tiou", help="Thresholds, such as 0.5,0.75,0.95. Default: the protocol's.")
    ] = "",
    weights: Annotated[str, typer.Option("--weights", help=f"{', '.join(WEIGHTINGS)}, or numbers: 0.6,0.4.")] = "equal",
    fusion: Annotated[str, typer.Option("--fusion", help=", ".join(FUSIONS))] = FusionOptions.fusion,
    fusion_tiou: Annotated[
        float, typer.Option("--fusion-tiou", help="Same-class segments above this tIoU become their union.")
    ] = 0.5,
    missing: Annotated[str, typer.Option("--missing", help=f"{', '.join(MISSING)}.")] = FusionOptions.missing,
    union: Annotated[str, typer.Option("--union", help=f"{', '.join(UNIONS)}.")] = FusionOptions.union,
    localize: Annotated[str, typer.Option("--localize", help=f"{', '.join(LOCALIZE)}.")] = LocalizationOptions.localize,
    threshold: Annotated[
        float, typer.Option("--threshold", help="Score for --localize threshold.")
    ] = LocalizationOptions.threshold,
    smooth: Annotated[
        str, typer.Option("--smooth", help="none, or mean:K over K intervals.")
    ] = LocalizationOptions.smooth,
    max_gap: Annotated[
        int, typer.Option("--max-gap", help="Background intervals a segment may bridge.")
    ] = LocalizationOptions.max_gap,
    min_duration: Annotated[
        float, typer.Option("--min-duration", help="Seconds; shorter segments are left out.")
    ] = LocalizationOptions.min_duration,
    tail: Annotated[str, typer.Option("--tail", help=f"{', '.join(TAILS)}.")] = LocalizationOptions.tail,
    per_class: Annotated[bool, typer.Option("--per-class", help="Show the AP of every class.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for scores.json, predictions.json and per_class.csv.")
    ] = None,
    min_score: Annotated[
        float | None, typer.Option("--min-score", help="End with exit code 3 below this final score.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Invalid rows are errors, all of them listed.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """Score heads and prediction files: AP per class and tIoU, their mean, and the final score.

    Example: tsmfeat score heads.safetensors --features features.h5 --annotations gt.json --subset testing
    """
    options = ScoreOptions(
        LocalizationOptions(localize, threshold, max_gap, min_duration, tail, smooth),
        FusionOptions(fusion, fusion_tiou, missing, union),
        protocol,
        parse_numbers(tiou, "--tiou") if tiou else None,
        subset,
        weights if weights in WEIGHTINGS else parse_numbers(weights, "--weights"),
        strict,
    )
    from tsmfeat.workflows.scoring import score

    with TerminalProgress(quiet) as progress:
        report = score(sources, annotations, features or [], options, progress)
    if out is not None:
        _write_folder(report, out)
    if as_json:
        write_data(json.dumps(report.to_dict()))
    else:
        _print_tables(report, per_class or verbose)
    if out is not None:
        progress.note(f"{out}: scores.json, predictions.json, per_class.csv ({report.seconds:.1f} s)")
    final = report.evaluation.final_score
    if min_score is not None and final < min_score:
        raise IncompleteError(f"final score {final:.4f} is below --min-score {min_score}", "see the scores above")


def _write_folder(report: "ScoreReport", out: Path) -> None:
    from tsmfeat.files import write_text
    from tsmfeat.formats.activitynet import write_predictions

    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out}: cannot be made ({error.strerror})", "choose another folder with --out") from error
    write_text(out / "scores.json", json.dumps(report.to_dict(), indent=1) + "\n")
    write_predictions(report.predictions, out / "predictions.json")
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["class", *(f"ap@{t:g}" for t in report.evaluation.tiou_thresholds)])
    writer.writerows(
        [name, *row] for name, row in zip(report.evaluation.classes, report.evaluation.ap.tolist(), strict=True)
    )
    write_text(out / "per_class.csv", table.getvalue())


def _print_tables(report: "ScoreReport", per_class: bool) -> None:
    found = report.evaluation
    columns = [f"{threshold:g}" for threshold in found.tiou_thresholds]
    width = max(12, *(len(name) for name in found.classes)) if per_class else 12
    lines = [f"{'tIoU':<{width}}" + "".join(f"{column:>8}" for column in columns) + f"{'mean':>8}"]
    if per_class:
        lines += [
            _line(name, [*row, sum(row) / len(row)], width) for name, row in zip(found.classes, found.ap, strict=True)
        ]
    lines.append(_line("mAP", [*found.map, found.average_map], width))
    lines.append("")
    lines.append(
        f"final score  {found.final_score:.4f}   (mean mAP, protocol {found.protocol}, {len(found.classes)} classes)"
    )
    if report.scenes.top1 is not None:
        lines.append(f"scenes       {report.scenes.top1:.4f}   (top-1 accuracy, {report.scenes.num_videos} videos)")
    lines.append(
        f"{found.num_predictions:,} predictions ({found.num_ignored:,} of unknown classes ignored), "
        f"{found.num_annotations:,} annotations; tied scores {found.tied_share:.1%}, "
        f"pairs exactly at a threshold {found.num_at_threshold:,}"
    )
    if len(report.sources) > 1:
        weighted = zip(report.sources, report.weights, strict=True)
        lines.append("fused: " + ", ".join(f"{source} × {weight:.3f}" for source, weight in weighted))
    write_data("\n".join(lines))


def _line(name: str, values: list[float], width: int) -> str:
    return f"{name:<{width}}" + "".join(f"{value:8.4f}" for value in values)
