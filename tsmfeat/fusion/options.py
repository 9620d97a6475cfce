"""How predictions of several models become one: the choices and their defaults."""

from dataclasses import dataclass

from tsmfeat.errors import ConfigurationError, did_you_mean

FUSIONS = ("paper", "none")
"""Average and unite, or leave a single model's predictions as they are."""

MISSING = ("zero", "present")
"""What a model without a segment counts: a score of 0, or nothing."""

UNIONS = ("absorb", "components", "sweep", "none")
"""How overlapping segments of one class are united."""

MAX_DECIMALS = 9


@dataclass(frozen=True)
class FusionOptions:
    """How `fuse` works; the defaults are the paper's (section 3.3), its gaps filled as said in the documentation.

    Parameters
    ----------
    fusion
        ``"paper"``, or ``"none"``: no fusion, which is possible with one model only.
    fusion_tiou
        Segments of a class whose tIoU exceeds this (0..1) are united; None unites nothing.
    missing
        ``"zero"``: a model without the segment counts as a score of 0. ``"present"``: it is left out of the average.
    union
        ``"absorb"``: to a fixed point, best score first. ``"components"``: connected pairs. ``"sweep"``: neighbours
        by start. ``"none"``: nothing.
    decimals
        Segments are the same if their bounds, rounded to so many decimals of a second, are equal.

    Raises
    ------
    ConfigurationError
        A value that cannot be carried out.

    Examples
    --------
    >>> FusionOptions().fusion_tiou
    0.5
    """

    fusion: str = "paper"
    fusion_tiou: float | None = 0.5
    missing: str = "zero"
    union: str = "absorb"
    decimals: int = 3

    def __post_init__(self) -> None:
        """Check every value."""
        for name, choices in (("fusion", FUSIONS), ("missing", MISSING), ("union", UNIONS)):
            value = getattr(self, name)
            if value not in choices:
                hint = did_you_mean(value, choices) or f"choose one of {', '.join(choices)}"
                raise ConfigurationError(f"{name} {value!r} is not one of {', '.join(choices)}", hint)
        if self.fusion_tiou is not None and not 0 <= self.fusion_tiou <= 1:
            raise ConfigurationError(
                f"fusion_tiou {self.fusion_tiou!r}: a tIoU lies in 0..1", "use for example --fusion-tiou 0.5"
            )
        if not 0 <= self.decimals <= MAX_DECIMALS:
            raise ConfigurationError(
                f"decimals {self.decimals!r}: bounds are rounded to 0..{MAX_DECIMALS} decimals", "use --decimals 3"
            )
