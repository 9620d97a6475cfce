"""How knowledge of a whole video bears on what is found in it: the choices and their defaults."""

import math
from dataclasses import dataclass

from tsmfeat.errors import ConfigurationError

SCENES = "scenes"
"""The prior that follows from the predicted scene of a video and the actions of each scene in training."""
NONE = "none"
"""No prior, not even the one that heads were given when they were fitted."""
AUTO = "auto"
"""The strength that serves best on annotated videos, chosen on other folds than it is used on."""


@dataclass(frozen=True)
class PriorOptions:
    """How a prior over the actions of a video is made and how much it counts.

    Parameters
    ----------
    video_prior
        A file of scores per video (`tsmfeat.formats.video_scores`), or ``"scenes"``; empty: the one from scenes that
        heads may have recorded when they were fitted, with its own strength; ``"none"``: not even that.
    gamma
        The exponent: 0 for none, 1 as strong as the intervals' own word; or ``"auto"``.
    prior_annotations
        Annotations whose instances tell p(action | scene) and p(action); empty: what the heads recorded.
    prior_subset
        Subset of them to count; empty: the one called train or training, else all.
    smoothing
        Added instances a class.
    gammas, num_folds
        Of ``"auto"``: the strengths tried, and into how many folds the videos are split.

    Raises
    ------
    ConfigurationError
        A value that cannot be carried out.

    Examples
    --------
    >>> PriorOptions("scenes", 0.5).asked, PriorOptions().asked, PriorOptions("none").asked
    (True, False, False)
    """

    video_prior: str = ""
    # The strength that every fold of the study on THUMOS14 chose; 1 was too much there.
    gamma: float | str = 0.25
    prior_annotations: str = ""
    prior_subset: str = ""
    smoothing: float = 1.0
    gammas: tuple[float, ...] = (0.0, 0.1, 0.25, 0.5, 1.0)
    num_folds: int = 5

    def __post_init__(self) -> None:
        """Check every value."""
        if self.gamma != AUTO:
            _require_strength(self.gamma)
        for value in self.gammas:
            _require_strength(value)
        if not self.gammas:
            raise ConfigurationError("no strength to try; --gamma auto chooses among some", "give at least one")
        if not (math.isfinite(self.smoothing) and self.smoothing > 0):
            raise ConfigurationError(f"smoothing {self.smoothing!r}: it is a positive number of instances", "use 1")
        if self.num_folds < 2:
            raise ConfigurationError(f"{self.num_folds} folds: videos are split into two or more", "use --folds 5")

    @property
    def asked(self) -> bool:
        """Whether a prior is named; what heads recorded is none that was asked for."""
        return self.video_prior not in ("", NONE)

    @property
    def fixed_gamma(self) -> float:
        """The strength where it is given; 0 without a prior, and where it is to be chosen."""
        return float(self.gamma) if self.asked and self.gamma != AUTO else 0.0


def _require_strength(value: float | str) -> None:
    if isinstance(value, str) or not (math.isfinite(value) and value >= 0):
        raise ConfigurationError(
            f"gamma {value!r}: it is a number, 0 or more, or {AUTO!r}", "use for example --gamma 0.25"
        )
