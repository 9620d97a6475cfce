"""Options that several commands take: the words and the help of each stand here once, its default in its stage."""

from typing import Annotated

import typer

from tsmfeat.errors import ConfigurationError, did_you_mean
from tsmfeat.fusion.options import FUSIONS, MISSING, UNIONS
from tsmfeat.localization.options import LOCALIZE, SEGMENT_SCORES, SMOOTHINGS, TAILS
from tsmfeat.priors.options import AUTO, NONE, SCENES
from tsmfeat.workflows.score_options import OUTSIDE, WEIGHTINGS
from tsmfeat_cli.common import parse_numbers

# Headings of the long helps, in the words of the stages.
LOCALIZATION_PANEL = "Localisation of heads and interval scores"
FUSION_PANEL = "Fusion of several sources"
PRIOR_PANEL = "What is known of whole videos"

_VALIDATION = "validation (by the heads' scores there)"
Weights = Annotated[
    str,
    typer.Option(
        "--weights", help=f"equal, {_VALIDATION}, learned, or numbers: 0.6,0.4.", rich_help_panel=FUSION_PANEL
    ),
]
WeightsOfHeads = Annotated[
    str,
    typer.Option("--weights", help=f"equal, {_VALIDATION}, or numbers: 0.6,0.4.", rich_help_panel=FUSION_PANEL),
]
Fusion = Annotated[
    str,
    typer.Option(
        "--fusion",
        help=f"{', '.join(FUSIONS)}: the paper's means and unions, weighted boxes, hard or soft suppression.",
        rich_help_panel=FUSION_PANEL,
    ),
]
FusionTiou = Annotated[
    float | None,
    typer.Option("--fusion-tiou", help="Same-class segments above this tIoU become one.", rich_help_panel=FUSION_PANEL),
]
FusionSigma = Annotated[
    float, typer.Option("--fusion-sigma", help="Of soft-nms: the larger, the weaker.", rich_help_panel=FUSION_PANEL)
]
FusionMinScore = Annotated[
    float | None,
    typer.Option("--fusion-min-score", help="Leave out fused segments below this score.", rich_help_panel=FUSION_PANEL),
]
FusionMaxSegments = Annotated[
    int | None,
    typer.Option(
        "--fusion-max-segments", help="Keep the best so many fused segments a video.", rich_help_panel=FUSION_PANEL
    ),
]
Decimals = Annotated[
    int,
    typer.Option(
        "--decimals", help="Bounds are rounded to so many decimals of a second.", rich_help_panel=FUSION_PANEL
    ),
]
Folds = Annotated[
    int,
    typer.Option(
        "--folds",
        help="Of --weights learned and --gamma auto: each part of the videos is held out once.",
        rich_help_panel=FUSION_PANEL,
    ),
]
SearchSeed = Annotated[int, typer.Option("--seed", help="Of --weights learned: the random candidates.")]
Missing = Annotated[
    str,
    typer.Option(
        "--missing",
        help=f"{', '.join(MISSING)}: a source without the segment counts as 0, or not at all.",
        rich_help_panel=FUSION_PANEL,
    ),
]
Union = Annotated[
    str,
    typer.Option(
        "--union",
        help=f"{', '.join(UNIONS)}: how --fusion paper joins overlapping segments.",
        rich_help_panel=FUSION_PANEL,
    ),
]
Localize = Annotated[
    str,
    typer.Option(
        "--localize",
        help=f"{', '.join(LOCALIZE)}: one label an interval, or every class by itself.",
        rich_help_panel=LOCALIZATION_PANEL,
    ),
]
Threshold = Annotated[
    str,
    typer.Option(
        "--threshold",
        help="Score for --localize threshold; several, 0.3,0.5, give nested segments.",
        rich_help_panel=LOCALIZATION_PANEL,
    ),
]
ClassThreshold = Annotated[
    list[str] | None,
    typer.Option(
        "--class-threshold",
        help="NAME=0.4: the threshold of one class; repeatable.",
        rich_help_panel=LOCALIZATION_PANEL,
    ),
]
Smooth = Annotated[
    str,
    typer.Option(
        "--smooth",
        help=f"{', '.join(SMOOTHINGS)}: K (odd) and SIGMA in intervals, COST of a change of label in scores.",
        rich_help_panel=LOCALIZATION_PANEL,
    ),
]
Transitions = Annotated[
    str,
    typer.Option(
        "--transitions",
        help="Annotations to learn from what changes of label cost --smooth viterbi.",
        rich_help_panel=LOCALIZATION_PANEL,
    ),
]
Refine = Annotated[
    str,
    typer.Option(
        "--refine", help="on or off: boundaries to where neighbouring scores cross.", rich_help_panel=LOCALIZATION_PANEL
    ),
]
SegmentScore = Annotated[
    str,
    typer.Option(
        "--segment-score",
        help=f"{', '.join(SEGMENT_SCORES)}: of its intervals' scores, or their mean less that beside it.",
        rich_help_panel=LOCALIZATION_PANEL,
    ),
]
MaxGap = Annotated[
    int,
    typer.Option("--max-gap", help="Background intervals a segment may bridge.", rich_help_panel=LOCALIZATION_PANEL),
]
MinDuration = Annotated[
    float,
    typer.Option("--min-duration", help="Seconds; shorter segments are left out.", rich_help_panel=LOCALIZATION_PANEL),
]
Tail = Annotated[
    str,
    typer.Option(
        "--tail",
        help=f"{', '.join(TAILS)}: the last segment ends with the last interval, or with the video.",
        rich_help_panel=LOCALIZATION_PANEL,
    ),
]

VideoPrior = Annotated[
    str,
    typer.Option(
        "--video-prior",
        help=f"What is known of whole videos: FILE of scores (JSON, video_id,label,score), {SCENES}, or {NONE}. "
        "Default: as recorded by heads that were fitted with --scene-prior on.",
        rich_help_panel=PRIOR_PANEL,
    ),
]
Gamma = Annotated[
    str,
    typer.Option(
        "--gamma", help=f"How much the video prior counts: 0 or more, or {AUTO} by folds.", rich_help_panel=PRIOR_PANEL
    ),
]
GammaGiven = Annotated[
    str,
    typer.Option(
        "--gamma",
        help="How much the video prior counts: 0 or more; tsmfeat score --gamma auto finds one.",
        rich_help_panel=PRIOR_PANEL,
    ),
]
PriorAnnotations = Annotated[
    str,
    typer.Option(
        "--prior-annotations",
        help="Annotations that tell how often each action occurs, in all and by scene.",
        rich_help_panel=PRIOR_PANEL,
    ),
]
PriorSubset = Annotated[
    str, typer.Option("--prior-subset", help="Subset of them. Default: train, else all.", rich_help_panel=PRIOR_PANEL)
]


Outside = Annotated[
    str,
    typer.Option("--outside", help=f"{' or '.join(OUTSIDE)}: predictions in other videos are wrong, or left out."),
]


def parse_gamma(text: str) -> float | str:
    """Return the strength of a prior, or the word that asks for choosing it.

    Examples
    --------
    >>> parse_gamma("auto"), parse_gamma("0.5")
    ('auto', 0.5)
    """
    # What is no number is refused by name, with the rule, where the options are made.
    try:
        return float(text)
    except ValueError:
        return text


def parse_weights(text: str) -> str | tuple[float, ...]:
    """Return the name of a weighting, or the numbers of a comma list.

    Raises
    ------
    ConfigurationError
        Neither.

    Examples
    --------
    >>> parse_weights("equal"), parse_weights("3,1")
    ('equal', (3.0, 1.0))
    """
    if text in WEIGHTINGS:
        return text
    try:
        return parse_numbers(text, "--weights")
    except ConfigurationError:
        known = ", ".join(WEIGHTINGS)
        hint = did_you_mean(text, WEIGHTINGS) or "for example --weights 0.6,0.4"
        raise ConfigurationError(f"--weights {text!r}: neither {known} nor a comma list of numbers", hint) from None


def parse_threshold(text: str) -> float | tuple[float, ...]:
    """Return a threshold, or several of a comma list.

    Examples
    --------
    >>> parse_threshold("0.4"), parse_threshold("0.3,0.5")
    (0.4, (0.3, 0.5))
    """
    numbers = parse_numbers(text, "--threshold")
    return numbers[0] if len(numbers) == 1 else numbers


def parse_class_thresholds(texts: list[str] | None) -> tuple[tuple[str, float], ...]:
    """Return the classes and thresholds of texts such as ``walk=0.4``; a name may hold ``=`` itself.

    Raises
    ------
    ConfigurationError
        A text without a name or a number, or with several numbers.

    Examples
    --------
    >>> parse_class_thresholds(["walk=0.4", "a=b=0.2"])
    (('walk', 0.4), ('a=b', 0.2))
    """
    pairs = []
    for text in texts or ():
        name, _, number = text.rpartition("=")
        try:
            pairs.append((name, float(number)))
        except ValueError:
            name = ""
        if not name:
            raise ConfigurationError(
                f"--class-threshold {text!r}: not a name and a number", "for example --class-threshold walk=0.4"
            )
    return tuple(pairs)
