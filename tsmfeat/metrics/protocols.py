"""Evaluation protocols by name: the small rules in which evaluators differ, one record each."""

from dataclasses import dataclass
from typing import Literal

from tsmfeat.errors import ConfigurationError, did_you_mean

Invalid = Literal["drop", "keep"]
UndefinedTiou = Literal["zero", "match"]


@dataclass(frozen=True)
class Protocol:
    """The rules of one evaluator, as far as they differ from those of another.

    Common to all: a detection meets the truths of its video and class by decreasing tIoU and takes the first that no
    better detection has taken; average precision is the all-point area under monotone precision; a label without truth
    is ignored; a class counts if it has truth; equal scores rank in the order of the file, NaN first.

    Parameters
    ----------
    name
        What ``--protocol`` and every report call it.
    summary
        One line for ``--list-protocols``.
    tiou_thresholds
        Used where none are asked for. A match needs tIoU >= threshold.
    invalid
        What a reader does for it with zero-length, reversed and non-finite segments: leave them out, or keep them.
    undefined_tiou
        What a tIoU of 0 / 0 or NaN is: no match, or (as in the official code, where ``nan < threshold`` is false) a
        match at every threshold.
    """

    name: str
    summary: str
    tiou_thresholds: tuple[float, ...]
    invalid: Invalid
    undefined_tiou: UndefinedTiou


# numpy.linspace(0.5, 0.95, 10) to the last bit: the ninth is not the literal 0.9, and segments on a grid can tell.
_ACTIVITYNET_THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.8999999999999999, 0.95)

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
    tiou_thresholds=_ACTIVITYNET_THRESHOLDS,
    invalid="keep",
    undefined_tiou="match",
)

PROTOCOLS = (PAPER, ACTIVITYNET)
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
