"""How predictions of several models become one: the choices and their defaults."""

import math
from dataclasses import dataclass

from tsmfeat.errors import ConfigurationError, require_choice

FUSIONS = ("paper", "wbf", "nms", "soft-nms", "none")
"""Average and unite; average the bounds too; keep the best of what overlaps, or weaken the rest; or leave one alone."""

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
        ``"paper"``: equal segments are averaged, overlapping ones united. ``"wbf"``: weighted boxes fusion, bounds are
        averaged too. ``"nms"``: of overlapping segments the best is kept. ``"soft-nms"``: the others are kept with a
        lower score. ``"none"``: no fusion, which is possible with one model only.
    fusion_tiou
        Segments of a class become one if their tIoU exceeds this (0..1; paper and wbf) or reaches it (nms, as in
        detectors); None: never. Soft-nms weakens by the overlap itself and does not use it.
    missing
        ``"zero"``: a model without the segment counts as a score of 0. ``"present"``: it is left out of the average.
        Of no meaning for nms and soft-nms, which average nothing.
    union
        Of the paper's fusion. ``"absorb"``: to a fixed point, best score first. ``"components"``: connected pairs.
        ``"sweep"``: neighbours by start. ``"none"``: nothing.
    decimals
        Bounds are rounded to so many decimals of a second first. In the paper's fusion, segments are the same if the
        rounded bounds are equal.
    sigma
        Of soft-nms: a segment that overlaps a better one by tIoU o keeps ``exp(-o² / sigma)`` of its score.
    min_score
        Segments whose fused score lies below are left out; None: none. Detectors use 0.001 with soft-nms.
    max_segments
        Only the best so many of each video, over all classes, are kept; None: all.

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
    sigma: float = 0.5
    min_score: float | None = None
    max_segments: int | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        for name, choices in (("fusion", FUSIONS), ("missing", MISSING), ("union", UNIONS)):
            require_choice(name, getattr(self, name), choices)
        if self.fusion_tiou is not None and not 0 <= self.fusion_tiou <= 1:
            raise ConfigurationError(
                f"fusion_tiou {self.fusion_tiou!r}: a tIoU lies in 0..1", "use for example --fusion-tiou 0.5"
            )
        if not 0 <= self.decimals <= MAX_DECIMALS:
            raise ConfigurationError(
                f"decimals {self.decimals!r}: bounds are rounded to 0..{MAX_DECIMALS} decimals", "use --decimals 3"
            )
        if not 0 < self.sigma < math.inf:
            raise ConfigurationError(f"sigma {self.sigma!r}: a finite number above 0", "use --fusion-sigma 0.5")
        if self.min_score is not None and not math.isfinite(self.min_score):
            raise ConfigurationError(f"min_score {self.min_score!r}: a finite number", "use --fusion-min-score 0.001")
        if self.max_segments is not None and self.max_segments < 1:
            raise ConfigurationError(
                f"max_segments {self.max_segments!r}: at least one a video", "use --fusion-max-segments 200"
            )
