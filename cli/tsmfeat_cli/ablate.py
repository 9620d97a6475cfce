"""`tsmfeat ablate`: the paper's grid on one's own data, every cell out of fold."""

import json
from pathlib import Path
from typing import Annotated

import typer

from tsmfeat.fusion.options import FusionOptions
from tsmfeat.heads.options import HEADS, HeadOptions
from tsmfeat.workflows.ablation_options import AblateOptions
from tsmfeat_cli.ablation_tables import describe_ablation
from tsmfeat_cli.common import Config, Debug, Json, Quiet, Verbose
from tsmfeat_cli.recording import AUTO, Record, record_run
from tsmfeat_cli.shared_options import Fusion, FusionTiou
from tsmfeat_cli.stdout import write_data
from tsmfeat_cli.terminal import TerminalProgress


def command(
    ctx: typer.Context,
    features: Annotated[
        list[Path], typer.Option("--features", help="Stores, one a trunk and step: --features a.h5 b.h5.")
    ],
    annotations: Annotated[
        Path, typer.Option("--annotations", help="ActivityNet JSON, CSV, BinEgo-360, THUMOS14 or 360+x.")
    ],
    more_features: Annotated[
        list[Path] | None, typer.Argument(metavar="[FEATURES]...", help="More stores, as after --features.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for ablation.json, ablation.csv and ablation.md.")
    ] = Path("ablation"),
    folds: Annotated[
        int, typer.Option("--folds", help="Of videos: each is predicted by heads that saw the others.")
    ] = AblateOptions.num_folds,
    num_seeds: Annotated[int, typer.Option("--num-seeds", help="Fits of every cell.")] = AblateOptions.num_seeds,
    subset: Annotated[
        str, typer.Option("--subset", help="Subsets whose videos are dealt into folds: training,validation.")
    ] = AblateOptions.subset,
    classes: Annotated[
        str, typer.Option("--classes", help="File of class names. Default: those annotated.")
    ] = AblateOptions.classes,
    group: Annotated[
        str, typer.Option("--group", help="COLUMN of the annotations, or COLUMN@FILE.csv: equal values share a fold.")
    ] = AblateOptions.group,
    head: Annotated[str, typer.Option("--head", help=", ".join(HEADS))] = HeadOptions.head,
    epochs: Annotated[int, typer.Option("--epochs", help="Passes over the training rows.")] = HeadOptions.epochs,
    batch_size: Annotated[int, typer.Option("--batch-size", help="Rows a step.")] = HeadOptions.batch_size,
    lr: Annotated[float, typer.Option("--lr", help="Learning rate of SGD.")] = HeadOptions.lr,
    weight_decay: Annotated[float, typer.Option("--weight-decay", help="On weights.")] = HeadOptions.weight_decay,
    dropout: Annotated[float, typer.Option("--dropout", help="Probability.")] = HeadOptions.dropout,
    scene_weight: Annotated[
        float, typer.Option("--scene-weight", help="Factor of the scene loss.")
    ] = HeadOptions.scene_weight,
    hidden_size: Annotated[
        int, typer.Option("--hidden-size", help="Units of a hidden layer.")
    ] = HeadOptions.hidden_size,
    bootstrap: Annotated[
        int, typer.Option("--bootstrap", help="Resamples of the videos, for intervals.")
    ] = AblateOptions.num_resamples,
    fusion: Fusion = FusionOptions.fusion,
    fusion_tiou: FusionTiou = FusionOptions.fusion_tiou,
    seed: Annotated[int, typer.Option("--seed", help="The first of the seeds; of the resamples, too.")] = (
        HeadOptions.seed
    ),
    record: Record = AUTO,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,
    config: Config = None,
) -> None:
    """Compare single and multi-task heads, trunks, steps and their ensembles, each video judged by heads new to it.

    Example: tsmfeat ablate --features t05.h5 t10.h5 --annotations gt.json --subset training,validation --folds 2
    """
    options = AblateOptions(
        HeadOptions(
            head=head,
            epochs=epochs,
            batch_size=batch_size,
            lr=lr,
            weight_decay=weight_decay,
            dropout=dropout,
            scene_weight=scene_weight,
            seed=seed,
            hidden_size=hidden_size,
        ),
        folds,
        num_seeds,
        subset,
        classes,
        bootstrap,
        FusionOptions(fusion, fusion_tiou),
        group,
    )
    from tsmfeat.workflows.ablation import ablate
    from tsmfeat.workflows.ablation_files import ABLATION_FILES
    from tsmfeat.workflows.run_records import ablate_parts

    stores = [*features, *(more_features or [])]
    with TerminalProgress(quiet) as progress:
        report = ablate(stores, annotations, out, options, progress)
        record_run(ctx, record, out, lambda: ablate_parts(report, stores, annotations), progress)
        progress.note(f"{out}: {', '.join(ABLATION_FILES)}; {report.seconds:.1f} s")
    write_data(json.dumps(report.to_dict()) if as_json else describe_ablation(report))
