"""The options of the jobs that score and fuse: those of the stages they drive, and their own."""

import math
from dataclasses import dataclass, field

from tsmfeat.errors import ConfigurationError, require_choice
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.metrics.options import UNITS, StatisticsOptions, require_measures
from tsmfeat.metrics.presets import preset_named, preset_thresholds
from tsmfeat.metrics.protocols import protocol_named
from tsmfeat.priors.options import PriorOptions

WEIGHTINGS = ("equal", "validation", "learned")

OUTSIDE = ("count", "drop")
"""What predictions in videos that are not evaluated are: false positives, as in the official code, or nothing."""


@dataclass(frozen=True)
class SearchOptions:
    """How an ensemble's weights are learned on annotated videos.

    Parameters
    ----------
    folds
        Parts of the videos, by the hash of their ids; each is held out once.
    seed
        Of the random candidates.
    num_candidates
        Weights to try before the neighbours of the best are.

    Raises
    ------
    ConfigurationError
        Fewer than two folds, or no candidate.
    """

    folds: int = 5
    seed: int = 0
    num_candidates: int = 1000

    def __post_init__(self) -> None:
        """Check the counts."""
        if self.folds < 2:
            raise ConfigurationError(f"{self.folds} folds; one is held out while others choose", "use --folds 5")
        if self.seed < 0 or self.num_candidates < 1:
            raise ConfigurationError(
                f"seed {self.seed}, {self.num_candidates} candidates: the seed is >= 0, the count positive",
                "use --seed 0",
            )


@dataclass(frozen=True)
class ScoreOptions:
    """How heads and prediction files become scores.

    Parameters
    ----------
    localization, fusion
        Options of the stages.
    protocol
        Name of the protocol (`tsmfeat.metrics.protocols`).
    tiou_thresholds
        Thresholds in place of the protocol's.
    subset
        Videos to evaluate on; empty: the only one there is.
    weights
        ``"equal"``, ``"validation"`` (each heads checkpoint by its validation score), ``"learned"`` (on the very
        annotations that are scored on: optimistic, so the score of held-out videos stands beside it), or a number a
        source.
    strict
        Whether invalid rows and repeated ids are errors.
    classes
        File of class names: the vocabulary, and what class ids mean; empty: the names of the annotations.
    statistics
        What is asked beside the score.
    prior
        What is known of whole videos; ``gamma="auto"`` is chosen by folds, and what is scored is out of fold.
    search
        How weights are learned.
    compare_fusions
        Whether all fusions are compared on the sources.
    measures
        What is measured beside AP: some of ``tsmfeat.metrics.options.MEASURES``.
    frame_step_seconds
        Length of a row where the measure ``frames`` turns segments into a label a row.
    transitions
        Annotations to learn from what changes of label cost the smoothing ``viterbi``; empty: they all cost the same.
    unit
        One of ``tsmfeat.metrics.options.UNITS``: what AP, measures and statistics are of. Scenes and the predictions
        that are written are those of whole videos.
    protocols
        Names of protocols that the same predictions are scored under beside `protocol`.
    preset
        A data set whose thresholds stand in place of the protocol's (`tsmfeat.metrics.presets`); empty: none.
    blocked
        File of the videos that are left out of annotations and predictions; empty: none.
    outside
        One of `OUTSIDE`.

    Raises
    ------
    ConfigurationError
        An unknown measure, unit, protocol or preset, a step that is no positive number, or thresholds given twice.
    """

    localization: LocalizationOptions = field(default_factory=LocalizationOptions)
    fusion: FusionOptions = field(default_factory=FusionOptions)
    protocol: str = "paper"
    tiou_thresholds: tuple[float, ...] | None = None
    subset: str = ""
    weights: str | tuple[float, ...] = "equal"
    strict: bool = False
    classes: str = ""
    statistics: StatisticsOptions = field(default_factory=StatisticsOptions)
    prior: PriorOptions = field(default_factory=PriorOptions)
    search: SearchOptions = field(default_factory=SearchOptions)
    compare_fusions: bool = False
    measures: tuple[str, ...] = ()
    frame_step_seconds: float = 0.1
    transitions: str = ""
    unit: str = UNITS[0]
    protocols: tuple[str, ...] = ()
    preset: str = ""
    blocked: str = ""
    outside: str = OUTSIDE[0]

    def __post_init__(self) -> None:
        """Check what belongs to no stage."""
        require_measures(self.measures)
        require_choice("unit", self.unit, UNITS)
        require_choice("outside", self.outside, OUTSIDE)
        for name in self.protocols:
            protocol_named(name)
        if self.preset:
            own = preset_thresholds(preset_named(self.preset), protocol_named(self.protocol))
            if self.tiou_thresholds not in (None, own):
                raise ConfigurationError(
                    f"thresholds {self.tiou_thresholds} and the preset {self.preset!r}; one list of thresholds",
                    "leave --tiou or --preset out",
                )
            object.__setattr__(self, "tiou_thresholds", own)
        if not (self.frame_step_seconds > 0 and math.isfinite(self.frame_step_seconds)):
            raise ConfigurationError(
                f"rows of {self.frame_step_seconds} s; a step is a positive number of seconds", "use --frame-step 0.1"
            )


@dataclass(frozen=True)
class FuseOptions:
    """How prediction files become one.

    Parameters
    ----------
    fusion
        Options of the stage.
    weights
        ``"equal"``, ``"learned"`` on annotations, or a number a file.
    search
        How weights are learned.
    protocol, tiou_thresholds, subset
        Of learning, as in `ScoreOptions`.
    format_name
        Form of the written file (`tsmfeat.formats.options.FORMATS_OF`); empty: that of its suffix.
    classes, sample
        For forms that hold class ids: file of class names; BinEgo-360's sample submission, whose rows are written.
    strict
        Whether invalid rows and repeated ids are errors.
    prior
        What is known of whole videos; ``gamma="auto"`` is chosen on annotations.
    """

    fusion: FusionOptions = field(default_factory=FusionOptions)
    weights: str | tuple[float, ...] = "equal"
    search: SearchOptions = field(default_factory=SearchOptions)
    protocol: str = ScoreOptions.protocol
    tiou_thresholds: tuple[float, ...] | None = None
    subset: str = ""
    format_name: str = ""
    classes: str = ""
    sample: str = ""
    strict: bool = False
    prior: PriorOptions = field(default_factory=PriorOptions)


@dataclass(frozen=True)
class CeilingOptions:
    """For which grids the best possible score is wanted.

    Parameters
    ----------
    steps
        The grids' steps t, in seconds.
    protocol, tiou_thresholds, subset
        As in `ScoreOptions`.

    Raises
    ------
    ConfigurationError
        No step, or one that is no positive number.
    """

    steps: tuple[float, ...] = (0.25, 0.5, 1.0)
    protocol: str = ScoreOptions.protocol
    tiou_thresholds: tuple[float, ...] | None = None
    subset: str = ""

    def __post_init__(self) -> None:
        """Check the steps."""
        if not self.steps or not all(step > 0 and math.isfinite(step) for step in self.steps):
            listed = ", ".join(f"{step:g}" for step in self.steps) or "none"
            raise ConfigurationError(f"steps {listed}: each is a positive number of seconds", "use --step 0.25,0.5,1")
