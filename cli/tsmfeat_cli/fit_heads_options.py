"""The options of `tsmfeat fit-heads`, in the groups of its help."""

from typing import Annotated

import typer

from tsmfeat.heads.loss_options import EVERY_ROW, LOSSES, TARGETS
from tsmfeat.heads.options import BALANCED, CALIBRATIONS, DEVICES, DROPOUT_UNITS, HEADS, SCHEDULES, SOLVERS, TASKS
from tsmfeat.workflows.fit_options import MEMORY

_HEAD, _TRAINING, _LOSS = "Head", "Training", "Loss and targets"
_VIDEOS, _CHOOSING = "Videos and views", "Choosing"

Tasks = Annotated[str, typer.Option("--tasks", help=f"{','.join(TASKS)} or {TASKS[0]}.", rich_help_panel=_HEAD)]
Head = Annotated[str, typer.Option("--head", help=", ".join(HEADS), rich_help_panel=_HEAD)]
Epochs = Annotated[int, typer.Option("--epochs", help="Passes over the training rows.", rich_help_panel=_TRAINING)]
BatchSize = Annotated[int, typer.Option("--batch-size", help="Rows a step.", rich_help_panel=_TRAINING)]
Lr = Annotated[float, typer.Option("--lr", help="Learning rate of SGD.", rich_help_panel=_TRAINING)]
Momentum = Annotated[float, typer.Option("--momentum", help="Of SGD.", rich_help_panel=_TRAINING)]
WeightDecay = Annotated[float, typer.Option("--weight-decay", help="On weights.", rich_help_panel=_TRAINING)]
Schedule = Annotated[str, typer.Option("--schedule", help=", ".join(SCHEDULES), rich_help_panel=_TRAINING)]
Dropout = Annotated[float, typer.Option("--dropout", help="Probability.", rich_help_panel=_TRAINING)]
DropoutUnit = Annotated[
    str,
    typer.Option(
        "--dropout-unit",
        help=f"{DROPOUT_UNITS[0]}: per frame, as TSM does, converted; {DROPOUT_UNITS[1]}: as it is.",
        rich_help_panel=_TRAINING,
    ),
]
Standardize = Annotated[
    str, typer.Option("--standardize", help="on or off: centre and scale the inputs.", rich_help_panel=_TRAINING)
]
SceneWeight = Annotated[float, typer.Option("--scene-weight", help="Factor of the scene loss.", rich_help_panel=_LOSS)]
BackgroundWeight = Annotated[
    str,
    typer.Option(
        "--background-weight", help=f"A number, or {BALANCED}: inverse class frequencies.", rich_help_panel=_LOSS
    ),
]
MinOverlap = Annotated[
    float,
    typer.Option(
        "--min-overlap", help="Share of an interval an action must cover to be its target.", rich_help_panel=_LOSS
    ),
]
Subset = Annotated[
    str,
    typer.Option("--subset", help="Videos to train on. Default: train or training, else all.", rich_help_panel=_VIDEOS),
]
ValidationSubset = Annotated[
    str,
    typer.Option(
        "--validation-subset",
        help="Videos to select by. Default: val or validation, else 10 %.",
        rich_help_panel=_VIDEOS,
    ),
]
Classes = Annotated[
    str, typer.Option("--classes", help="File of class names. Default: those annotated.", rich_help_panel=_VIDEOS)
]
HiddenSize = Annotated[int, typer.Option("--hidden-size", help="Units of a hidden layer.", rich_help_panel=_HEAD)]
Solver = Annotated[
    str,
    typer.Option("--solver", help=f"{', '.join(SOLVERS)} (linear heads: all rows at once).", rich_help_panel=_TRAINING),
]
Patience = Annotated[
    int,
    typer.Option(
        "--patience",
        help="End a fit after so many epochs without a better score; 0: never.",
        rich_help_panel=_CHOOSING,
    ),
]
Device = Annotated[str, typer.Option("--device", help=", ".join(DEVICES), rich_help_panel=_TRAINING)]
Views = Annotated[
    str,
    typer.Option(
        "--views",
        help="Views to join, each a store: panoramic,front_view. Default: one store.",
        rich_help_panel=_VIDEOS,
    ),
]
ViewDropout = Annotated[
    float,
    typer.Option(
        "--view-dropout", help="Probability that a joined view is masked in training.", rich_help_panel=_VIDEOS
    ),
]
NumLayers = Annotated[
    int,
    typer.Option(
        "--num-layers", help="Of a tcn; L of them see 2^L - 1 intervals on either side.", rich_help_panel=_HEAD
    ),
]
SmoothingLoss = Annotated[
    float,
    typer.Option(
        "--smoothing-loss",
        help="Factor of what a tcn pays for changes between intervals.",
        rich_help_panel=_TRAINING,
    ),
]
Rank = Annotated[
    int,
    typer.Option(
        "--rank", help="Products of an interval with its video, of a conditioned head.", rich_help_panel=_HEAD
    ),
]
NumLevels = Annotated[
    int,
    typer.Option(
        "--num-levels", help="Of a pyramid: each level has half the places of the one below.", rich_help_panel=_HEAD
    ),
]
NmsSigma = Annotated[
    float,
    typer.Option(
        "--nms-sigma",
        help="Of a pyramid: the larger, the less overlapping segments are weakened.",
        rich_help_panel=_HEAD,
    ),
]
Sweep = Annotated[
    str,
    typer.Option("--sweep", help="Values to try, such as 'lr=0.001,0.01;dropout=0,0.5'.", rich_help_panel=_CHOOSING),
]
NumSeeds = Annotated[
    int,
    typer.Option(
        "--num-seeds", help="Seeds of each setting, from --seed on; their mean decides.", rich_help_panel=_CHOOSING
    ),
]
Folds = Annotated[
    int,
    typer.Option(
        "--folds",
        help="Of videos: each is scored by heads that did not see it. 0: none.",
        rich_help_panel=_CHOOSING,
    ),
]
Group = Annotated[
    str,
    typer.Option(
        "--group",
        help="COLUMN of the annotations, or COLUMN@FILE.csv: equal values share a fold.",
        rich_help_panel=_VIDEOS,
    ),
]
SaveOof = Annotated[
    str,
    typer.Option(
        "--save-oof",
        help="Folder for out-of-fold interval scores, which tsmfeat tune takes.",
        rich_help_panel=_CHOOSING,
    ),
]
Pseudo = Annotated[
    str,
    typer.Option(
        "--pseudo", help="Predictions taken for truth in videos that nobody annotated.", rich_help_panel=_LOSS
    ),
]
PseudoMinScore = Annotated[
    float, typer.Option("--pseudo-min-score", help="Least score of such a segment.", rich_help_panel=_LOSS)
]
Loss = Annotated[str, typer.Option("--loss", help=f"Of the actions: {', '.join(LOSSES)}.", rich_help_panel=_LOSS)]
LabelSmoothing = Annotated[
    float,
    typer.Option("--label-smoothing", help="Share of a target spread over all classes.", rich_help_panel=_LOSS),
]
Targets = Annotated[
    str,
    typer.Option(
        "--targets", help=f"{TARGETS[0]}, or {TARGETS[1]}: by the share of the interval.", rich_help_panel=_LOSS
    ),
]
BackgroundRatio = Annotated[
    str,
    typer.Option(
        "--background-ratio",
        help=f"Background rows an epoch for each other row, or {EVERY_ROW}.",
        rich_help_panel=_LOSS,
    ),
]
ScenePrior = Annotated[
    str,
    typer.Option(
        "--scene-prior",
        help="on or off: predicted scenes weigh actions, as strongly as pays.",
        rich_help_panel=_CHOOSING,
    ),
]
Calibrate = Annotated[
    str,
    typer.Option(
        "--calibrate",
        help=f"{' or '.join(CALIBRATIONS)}: make probabilities as sure as right.",
        rich_help_panel=_CHOOSING,
    ),
]
Memory = Annotated[
    str,
    typer.Option(
        "--memory",
        help=f"{', '.join(MEMORY)}: where the features are while heads are fitted.",
        rich_help_panel=_TRAINING,
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Of everything random.", rich_help_panel=_TRAINING)]
