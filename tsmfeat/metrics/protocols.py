"""Evaluation protocols by name: the small rules in which evaluators differ, one record each.

The kit of the 360+x data set is not among them: it never takes a truth away, so that k copies of one right detection
have an AP of k, and its numbers compare with no others.
"""

from dataclasses import dataclass
from typing import Literal

from tsmfeat.errors import ConfigurationError, did_you_mean

Invalid = Literal["drop", "keep"]
UndefinedTiou = Literal["zero", "match"]
Compare = Literal["ge", "gt"]
Tie = Literal["stable", "revstable", "video", "hits-first"]
NanScore = Literal["first", "last"]
Iou = Literal["sum", "hull"]
TiouType = Literal["float64", "float32"]
TruthFilter = Literal["none", "repeats", "repeats-1ms"]
Unknown = Literal["ignore", "error", "collide"]
OutsideVideo = Literal["false-positive", "drop"]
Match = Literal["det-greedy", "gt-best"]
ApRule = Literal["voc-all", "voc-11", "mean-at-tp"]
SubsetTest = Literal["exact", "any-case", "whole-file"]
ClassOrder = Literal["appearance", "vocabulary"]
TruthTie = Literal["later", "earlier"]
Spelling = Literal["literal", "linspace"]
Ambiguous = Literal["unused", "forgive"]


@dataclass(frozen=True)
class Protocol:
    """The rules of one evaluator, each a field; nothing else of the code knows which protocol it serves.

    Common to all: detections are ranked class by class by decreasing score; a match stays within one video and class;
    a truth is taken once at each threshold; a class counts if it has truth; mAP is the plain mean over classes.

    Parameters
    ----------
    name
        What ``--protocol`` and every report call it.
    summary
        One line for ``--list-protocols``.
    tiou_thresholds
        Used where none are asked for.
    invalid
        What a reader does for it with zero-length, reversed and non-finite segments: leave them out, or keep them.
    undefined_tiou
        What a tIoU of 0 / 0 or NaN is: no match, or (as in the official code, where ``nan < threshold`` is false) a
        match at every threshold.
    compare
        Whether a match needs tIoU >= threshold (``ge``) or more (``gt``).
    tie
        Rank of equal scores: in the order of the file (``stable``), in its reverse (``revstable``, what
        ``argsort()[::-1]`` gives where the sort is stable), by video name and then in the order of the file
        (``video``), or true positives before false ones, threshold by threshold (``hits-first``).
    nan_score
        Whether NaN scores rank before all others or after them.
    iou
        The denominator: both lengths less the overlap (``sum``), or from the first start to the last end (``hull``;
        reversed ends are swapped and segments apart have tIoU 0).
    tiou_type
        What a tIoU is rounded to before it is compared.
    eps
        The least denominator; 0 for none.
    gt_filter
        Truth left out first: none; ends at or before starts, and repeats of an earlier truth of the same video and
        label with both ends within a millisecond (``repeats``); the same, but shorter than a millisecond
        (``repeats-1ms``).
    unknown
        What a predicted label without truth is: ignored, an error, or (``collide``, a slip of ActionFormer's) a
        prediction of the class whose place among the classes with truth is the label's number in the vocabulary.
    outside_video
        What a prediction in a video that is not evaluated is.
    match
        Each detection takes its best free truth, in rank order (``det-greedy``); or each truth takes its best free
        detection, in file order, scores aside (``gt-best``).
    ap
        Area under precision made monotone (``voc-all``), the same at recall 0, 0.1, ..., 1 (``voc-11``), or precision
        at each true positive over the number of truths (``mean-at-tp``).
    subset
        Whether the subset's name must be the same, may differ in case, or the whole file counts if none is named.
    class_order
        Classes by first appearance in the truth, or by their number in the vocabulary.
    gt_tie
        Of truths with equal tIoU, whether a detection looks at the later or the earlier first.
    ambiguous
        Whether a false positive that overlaps an ambiguous segment of the video is forgiven: it then counts as
        neither.
    spelling
        Whether lists of thresholds (``--preset``) are written out, or made by ``numpy.linspace``.
    """

    name: str
    summary: str
    tiou_thresholds: tuple[float, ...]
    invalid: Invalid = "keep"
    undefined_tiou: UndefinedTiou = "match"
    compare: Compare = "ge"
    tie: Tie = "stable"
    nan_score: NanScore = "first"
    iou: Iou = "sum"
    tiou_type: TiouType = "float64"
    eps: float = 0.0
    gt_filter: TruthFilter = "none"
    unknown: Unknown = "ignore"
    outside_video: OutsideVideo = "false-positive"
    match: Match = "det-greedy"
    ap: ApRule = "voc-all"
    subset: SubsetTest = "exact"
    class_order: ClassOrder = "appearance"
    gt_tie: TruthTie = "later"
    ambiguous: Ambiguous = "unused"
    spelling: Spelling = "literal"


# As numpy.linspace makes them, to the last bit: not the literals 0.9 and 0.3, and segments on a grid can tell.
LINSPACE_50_95 = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.8999999999999999, 0.95)
LINSPACE_10_50 = (0.1, 0.2, 0.30000000000000004, 0.4, 0.5)
LITERAL_50_95 = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)

PAPER = Protocol(
    name="paper",
    summary="mean AP at tIoU 0.5, 0.75 and 0.95; invalid segments are dropped and counted",
    tiou_thresholds=(0.5, 0.75, 0.95),
    invalid="drop",
    undefined_tiou="zero",
)
ACTIVITYNET = Protocol(
    name="activitynet",
    summary="the official ActivityNet evaluation, with equal scores in file order and unknown labels ignored",
    tiou_thresholds=LINSPACE_50_95,
    spelling="linspace",
)
OPENTAD = Protocol(
    name="opentad",
    summary="OpenTAD's mAP: repeated and empty truths are left out, the union is at least 1e-8",
    tiou_thresholds=LITERAL_50_95,
    tie="revstable",
    eps=1e-8,
    gt_filter="repeats",
)
ACTIONFORMER = Protocol(
    name="actionformer",
    summary="ActionFormer's evaluation, with its slip: unknown labels collide with known classes (--classes: the ids)",
    tiou_thresholds=LINSPACE_10_50,
    tie="revstable",
    gt_filter="repeats-1ms",
    unknown="collide",
    subset="any-case",
    class_order="vocabulary",
    spelling="linspace",
)
EPIC = Protocol(
    name="epic",
    summary="the EPIC-Kitchens action detection challenge (C2), of one task's labels",
    tiou_thresholds=LINSPACE_10_50,
    tie="revstable",
    subset="whole-file",
    class_order="vocabulary",
    spelling="linspace",
)
MMACTION2 = Protocol(
    name="mmaction2",
    summary="mmaction2's ActivityNetLocalization: tIoU is rounded to float32",
    tiou_thresholds=LINSPACE_50_95,
    nan_score="last",
    tiou_type="float32",
    subset="whole-file",
    spelling="linspace",
)
THUMOS14_2015 = Protocol(
    name="thumos14-2015",
    summary="the THUMOS14 devkit as updated in 2015: each truth takes its best detection, precision at true positives",
    tiou_thresholds=(0.5,),
    undefined_tiou="zero",
    compare="gt",
    tie="video",
    nan_score="last",
    iou="hull",
    match="gt-best",
    ap="mean-at-tp",
    class_order="vocabulary",
    ambiguous="forgive",
)
THUMOS14_2014 = Protocol(
    name="thumos14-2014",
    summary="the first THUMOS14 devkit: as thumos14-2015, but 11-point AP and tied scores in favour of hits",
    tiou_thresholds=LINSPACE_10_50,
    undefined_tiou="zero",
    compare="gt",
    tie="hits-first",
    nan_score="last",
    iou="hull",
    match="gt-best",
    ap="voc-11",
    class_order="vocabulary",
    ambiguous="forgive",
)

PROTOCOLS = (PAPER, ACTIVITYNET, OPENTAD, ACTIONFORMER, EPIC, MMACTION2, THUMOS14_2014, THUMOS14_2015)
"""Every protocol; the first is the default."""

DEFAULT_PROTOCOL = PAPER.name


def protocol_named(name: str) -> Protocol:
    """Return the protocol of a name.

    Raises
    ------
    ConfigurationError
        No protocol has the name; the nearest one is offered.

    Examples
    --------
    >>> protocol_named("paper").tiou_thresholds
    (0.5, 0.75, 0.95)
    """
    for protocol in PROTOCOLS:
        if protocol.name == name:
            return protocol
    known = [protocol.name for protocol in PROTOCOLS]
    raise ConfigurationError(
        f"unknown protocol {name!r}; the protocols are {', '.join(known)}",
        did_you_mean(name, known) or "tsmfeat score --list-protocols describes them",
    )
