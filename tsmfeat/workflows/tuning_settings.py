"""A setting of the post-processing, and its options under the names that the commands know them by."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from tsmfeat.fusion.options import FusionOptions
from tsmfeat.localization.options import LocalizationOptions

Value = str | float | int | bool | tuple[float, ...] | None

GAMMA, WEIGHTS = "gamma", "weights"
LOCALIZATION_NAMES = ("smooth", "localize", "threshold", "max-gap", "min-duration", "tail", "refine", "segment-score")
_LOCALIZATION = {name: name.replace("-", "_") for name in LOCALIZATION_NAMES}
_FUSION = {
    "fusion": "fusion",
    "fusion-tiou": "fusion_tiou",
    "missing": "missing",
    "union": "union",
    "fusion-sigma": "sigma",
    "fusion-min-score": "min_score",
    "fusion-max-segments": "max_segments",
}
FUSION_NAMES = tuple(_FUSION)
NAMES = (*LOCALIZATION_NAMES, GAMMA, *FUSION_NAMES, WEIGHTS)
"""All that can be searched, as `tsmfeat score` names it."""

# What has no say under the fusion named.
_IDLE_FUSION = {
    "paper": ("fusion-sigma",),
    "wbf": ("fusion-sigma", "union"),
    "nms": ("fusion-sigma", "union", "missing"),
    "soft-nms": ("union", "missing", "fusion-tiou"),
    "none": ("fusion-sigma", "union", "missing", "fusion-tiou"),
}


@dataclass(frozen=True)
class Setting:
    """Everything that happens between the scores of the models and the segments that are judged.

    Parameters
    ----------
    localization, fusion
        Options of the stages.
    gamma
        Strength of the video prior, where there is one.
    weights
        One a source; empty: equal ones.
    """

    localization: LocalizationOptions = field(default_factory=LocalizationOptions)
    fusion: FusionOptions = field(default_factory=FusionOptions)
    gamma: float = 0.0
    weights: tuple[float, ...] = ()


def change(setting: Setting, changes: Mapping[str, Value]) -> Setting:
    """Return a setting with some options changed.

    Raises
    ------
    ConfigurationError
        Options that exclude each other, or a value that cannot be carried out.

    Examples
    --------
    >>> changed = change(Setting(), {"smooth": "mean:9", "fusion-tiou": 0.7, "gamma": 0.5})
    >>> changed.localization.smooth, changed.fusion.fusion_tiou, changed.gamma
    ('mean:9', 0.7, 0.5)
    """
    localization: Any = {_LOCALIZATION[name]: value for name, value in changes.items() if name in _LOCALIZATION}
    fusion: Any = {_FUSION[name]: value for name, value in changes.items() if name in _FUSION}
    own: Any = {name: value for name, value in changes.items() if name in (GAMMA, WEIGHTS)}
    return replace(
        setting,
        localization=replace(setting.localization, **localization),
        fusion=replace(setting.fusion, **fusion),
        **own,
    )


def value_of(setting: Setting, name: str) -> Any:  # noqa: ANN401 - as the option has it
    """Return the value of an option.

    Examples
    --------
    >>> value_of(Setting(), "max-gap")
    0
    """
    if name in (GAMMA, WEIGHTS):
        return getattr(setting, name)
    if name in _FUSION:
        return getattr(setting.fusion, _FUSION[name])
    return getattr(setting.localization, _LOCALIZATION[name])


def kind_of(name: str) -> str:
    """Return the type of an option as its dataclass writes it.

    Examples
    --------
    >>> kind_of("max-gap"), kind_of("fusion-min-score")
    ('int', 'float | None')
    """
    owner, attribute = (FusionOptions, _FUSION[name]) if name in _FUSION else (LocalizationOptions, _LOCALIZATION[name])
    kinds = {each.name: each.type for each in fields(owner)}
    kind = kinds[attribute]
    return kind if isinstance(kind, str) else getattr(kind, "__name__", str(kind))


def idle_options(setting: Setting) -> frozenset[str]:
    """Return the options that have no say beside the others of a setting.

    Examples
    --------
    >>> sorted(idle_options(Setting()))
    ['fusion-sigma', 'threshold']
    """
    idle = set(_IDLE_FUSION[setting.fusion.fusion])
    if setting.localization.localize == "argmax":
        idle.add("threshold")
    if setting.fusion.fusion == "paper" and (setting.fusion.union == "none" or setting.fusion.fusion_tiou is None):
        idle |= {"union" if setting.fusion.fusion_tiou is None else "fusion-tiou"}
    return frozenset(idle)


def value_text(value: Value) -> str:
    """Return a value as `--search` takes it.

    Examples
    --------
    >>> value_text((0.6, 0.4)), value_text(()), value_text(None), value_text(0.5)
    ('0.6/0.4', 'equal', 'none', '0.5')
    """
    if isinstance(value, tuple):
        return "/".join(f"{part:g}" for part in value) or "equal"
    if isinstance(value, bool):
        return "on" if value else "off"
    if value is None:
        return "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
