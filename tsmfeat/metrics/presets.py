"""The tIoU thresholds that data sets are scored at."""

from dataclasses import dataclass

from tsmfeat.errors import ConfigurationError, did_you_mean
from tsmfeat.metrics.protocols import Protocol


@dataclass(frozen=True)
class Preset:
    """The thresholds of a data set, evenly spaced.

    Parameters
    ----------
    name
        What ``--preset`` calls it.
    first, last
        The lowest and the highest, each a whole number of hundredths.
    count
        How many.
    protocol
        The one its tables are mostly made with.
    """

    name: str
    first: int
    last: int
    count: int
    protocol: str


PRESETS = (
    Preset("thumos14", 30, 70, 5, "opentad"),
    Preset("activitynet", 50, 95, 10, "activitynet"),
    Preset("hacs", 50, 95, 10, "activitynet"),
    Preset("fineaction", 50, 95, 10, "opentad"),
    Preset("epic", 10, 50, 5, "epic"),
    Preset("ego4d-mq", 10, 50, 5, "opentad"),
    Preset("multithumos", 10, 90, 9, "opentad"),
    Preset("charades", 10, 90, 9, "opentad"),
)
"""Every preset."""


def preset_named(name: str) -> Preset:
    """Return the preset of a name.

    Raises
    ------
    ConfigurationError
        No preset has the name; the nearest one is offered.

    Examples
    --------
    >>> preset_named("hacs").count
    10
    """
    for preset in PRESETS:
        if preset.name == name:
            return preset
    known = [preset.name for preset in PRESETS]
    raise ConfigurationError(
        f"unknown preset {name!r}; the presets are {', '.join(known)}",
        did_you_mean(name, known) or "tsmfeat score --list-protocols lists them",
    )


def preset_thresholds(preset: Preset, protocol: Protocol) -> tuple[float, ...]:
    """Return the thresholds of a preset as the code of a protocol spells them.

    A list of literals holds 0.3 where ``numpy.linspace`` makes 0.30000000000000004, and segments on a grid can tell.

    Examples
    --------
    >>> from tsmfeat.metrics.protocols import protocol_named
    >>> preset_thresholds(preset_named("epic"), protocol_named("epic"))
    (0.1, 0.2, 0.30000000000000004, 0.4, 0.5)
    >>> preset_thresholds(preset_named("epic"), protocol_named("opentad"))
    (0.1, 0.2, 0.3, 0.4, 0.5)
    """
    first, last, gaps = preset.first / 100, preset.last / 100, preset.count - 1
    if protocol.spelling == "linspace":
        step = (last - first) / gaps
        return (*(first + place * step for place in range(gaps)), last)
    width = (preset.last - preset.first) // gaps
    return tuple((preset.first + place * width) / 100 for place in range(preset.count))
