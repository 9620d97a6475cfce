"""The options of each job: those of the stages it drives, and its own."""

import math
from dataclasses import dataclass, field

from tsmfeat.errors import ConfigurationError, did_you_mean
from tsmfeat.formats.options import FORMATS, PIECES_CHOICES
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.heads.options import HeadOptions
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.metrics.options import UNITS, StatisticsOptions, require_measures
from tsmfeat.metrics.presets import preset_named, preset_thresholds
from tsmfeat.metrics.protocols import protocol_named
from tsmfeat.priors.options import AUTO, PriorOptions
from tsmfeat.store.options import StoreOptions
from tsmfeat.trunk.options import TRUNKS, TrunkOptions
from tsmfeat.video.options import VideoOptions

ID_RULES = ("stem", "path")
WEIGHTINGS = ("equal", "validation", "learned")


@dataclass(frozen=True)
class ExtractOptions:
    """How videos become stored features.

    Parameters
    ----------
    trunk, video, store
        Options of the stages.
    step_seconds
        The grid's step t.
    clip_seconds
        The clip's span; None: the step.
    view
        Name of the view, part of the features' identity.
    id_rule
        One of `ID_RULES`: what a video found in a folder is called.
    overwrite
        Whether an existing output is removed first; otherwise the run resumes it.
    retry_failed
        Whether videos listed as failed are tried again.

    Raises
    ------
    ConfigurationError
        The id rule is unknown, or the clip's span is shorter than the step.
    """

    trunk: TrunkOptions
    video: VideoOptions = field(default_factory=VideoOptions)
    store: StoreOptions = field(default_factory=StoreOptions)
    step_seconds: float = 0.5
    clip_seconds: float | None = None
    view: str = ""
    id_rule: str = "stem"
    overwrite: bool = False
    retry_failed: bool = False

    def __post_init__(self) -> None:
        """Check what belongs to no stage."""
        if self.id_rule not in ID_RULES:
            raise ConfigurationError(f"id rule {self.id_rule!r} is unknown", f"choose one of {', '.join(ID_RULES)}")
        if self.clip_seconds is not None and not self.clip_seconds >= self.step_seconds:
            raise ConfigurationError(
                f"clips of {self.clip_seconds} s in steps of {self.step_seconds} s: a clip spans its interval at least",
                "leave --clip-seconds out, or make it larger than --step",
            )

    @property
    def span_seconds(self) -> float:
        """The clip's span in seconds."""
        return self.step_seconds if self.clip_seconds is None else self.clip_seconds


@dataclass(frozen=True)
class ConvertOptions:
    """How a file becomes another: a checkpoint of a trunk, or annotations or predictions.

    Parameters
    ----------
    trunk
        Of checkpoints: the trunk's name; empty: recognised by the shapes.
    from_format, to_format
        Of annotations and predictions: one of ``tsmfeat.formats.options.FORMATS``; empty: recognised by content, and by
        the end of the name.
    classes
        File of class names; empty: what the source says.
    sample
        A sample submission of BinEgo-360, whose ids are the rows written; empty: none.
    pieces
        One of ``tsmfeat.formats.options.PIECES_CHOICES``.
    strict
        Whether invalid rows, and what the target cannot hold, are errors.

    Raises
    ------
    ConfigurationError
        A name that is not known.
    """

    trunk: str = ""
    from_format: str = ""
    to_format: str = ""
    classes: str = ""
    sample: str = ""
    pieces: str = PIECES_CHOICES[0]
    strict: bool = False

    def __post_init__(self) -> None:
        """Check the names."""
        for name, value, choices in (
            ("trunk", self.trunk, ("", *TRUNKS)),
            ("from", self.from_format, ("", *FORMATS)),
            ("to", self.to_format, ("", *FORMATS)),
            ("pieces", self.pieces, PIECES_CHOICES),
        ):
            if value not in choices:
                known = [choice for choice in choices if choice]
                hint = did_you_mean(value, known) or f"choose one of {', '.join(known)}"
                raise ConfigurationError(f"{name} {value!r} is not known", hint)


@dataclass(frozen=True)
class FitOptions:
    """How features and annotations become heads.

    Parameters
    ----------
    heads
        Options of the stage.
    subset
        Videos to train on; empty: the one subset called train or training, else all.
    validation_subset
        Videos to select by; empty: the one called val, valid or validation, else 10 % of the training videos by hash.
    classes
        File of class names, the actions of the heads; empty: those of the annotations by first appearance.
    """

    heads: HeadOptions = field(default_factory=HeadOptions)
    subset: str = ""
    validation_subset: str = ""
    classes: str = ""


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

    def __post_init__(self) -> None:
        """Check what belongs to no stage."""
        require_measures(self.measures)
        if self.unit not in UNITS:
            hint = did_you_mean(self.unit, UNITS) or f"choose one of {', '.join(UNITS)}"
            raise ConfigurationError(f"unit {self.unit!r} is unknown", hint)
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
class PredictOptions:
    """How features or raw videos become a prediction file.

    Parameters
    ----------
    localization, fusion
        Options of the stages.
    weights
        As in `ScoreOptions`, a number a heads checkpoint.
    video_ids
        Stored videos to predict; empty: all.
    format_name
        Form of the prediction file (`tsmfeat.formats.options.FORMATS_OF`); empty: that of its suffix.
    classes, sample
        For forms that hold class ids: file of class names; BinEgo-360's sample submission, whose rows are written.
    checkpoints
        Weights of the trunks that raw videos need, as in `TrunkOptions`; each spec takes those of its digest.
    features_out
        Where the features of raw videos stay; empty: they are removed.
    id_rule, device, batch_size, video
        For raw videos, as in `ExtractOptions` and its stages. The frames' geometry is that of the heads.
    scores_out
        Files for the interval scores, one a heads checkpoint in their order; empty: they are not kept.
    prior
        What is known of whole videos; files of interval scores hold them without it.
    transitions
        As in `ScoreOptions`.

    Raises
    ------
    ConfigurationError
        The prior's strength is to be chosen, but there are no annotations to choose it on.
    """

    localization: LocalizationOptions = field(default_factory=LocalizationOptions)
    fusion: FusionOptions = field(default_factory=FusionOptions)
    weights: str | tuple[float, ...] = "equal"
    video_ids: tuple[str, ...] = ()
    format_name: str = ""
    classes: str = ""
    sample: str = ""
    checkpoints: tuple[str, ...] = ()
    features_out: str = ""
    id_rule: str = ExtractOptions.id_rule
    device: str = TrunkOptions.device
    batch_size: int | None = TrunkOptions.batch_size
    video: VideoOptions = field(default_factory=VideoOptions)
    scores_out: tuple[str, ...] = ()
    prior: PriorOptions = field(default_factory=PriorOptions)
    transitions: str = ""

    def __post_init__(self) -> None:
        """Check what belongs to no stage."""
        if self.prior.gamma == AUTO:
            raise ConfigurationError(
                "gamma 'auto' is chosen on annotations, and predicting has none",
                "tsmfeat score --gamma auto tells the number to give here",
            )


@dataclass(frozen=True)
class TuneOptions:
    """How the post-processing is chosen.

    Parameters
    ----------
    search
        What to try, as `tsmfeat.workflows.tuning_words.parse_search` reads it; empty: what usually matters.
    budget
        Settings graded by each search: one on all videos, and one without each fold.
    seconds
        Wall time after which all searches end; None: none. With it, results hang on the speed of the machine.
    num_folds
        Into how many folds the videos are dealt, by the hash of their ids.
    seed
        Of new starts of the search, and of resamples.
    protocol, tiou_thresholds, subset, strict, classes
        As in `ScoreOptions`.
    prior
        What is known of whole videos; its strength is searched.
    num_resamples
        Of the videos, for the interval of the gain.
    force
        Whether the setting found is written even where it gains nothing on held-out videos.

    Raises
    ------
    ConfigurationError
        A number out of range.
    """

    search: str = ""
    budget: int = 1000
    seconds: float | None = None
    num_folds: int = 5
    seed: int = 0
    protocol: str = ScoreOptions.protocol
    tiou_thresholds: tuple[float, ...] | None = None
    subset: str = ""
    strict: bool = False
    classes: str = ""
    prior: PriorOptions = field(default_factory=PriorOptions)
    num_resamples: int = StatisticsOptions.default_resamples
    force: bool = False

    def __post_init__(self) -> None:
        """Check what belongs to no stage."""
        if self.budget < 1:
            raise ConfigurationError(f"a budget of {self.budget} settings; at least one is graded", "use --budget 1000")
        if self.seconds is not None and not self.seconds > 0:
            raise ConfigurationError(f"{self.seconds:g} seconds to search; more than 0 are needed", "use --seconds 60")
        if self.seed < 0:
            raise ConfigurationError(f"seed {self.seed}; seeds are >= 0", "use --seed 0")
        if self.num_folds < 2:
            raise ConfigurationError(
                f"{self.num_folds} folds: a choice is made on some and judged on others", "use --folds 5"
            )


@dataclass(frozen=True)
class ValidateOptions:
    """How thoroughly files are checked.

    Parameters
    ----------
    against
        A feature store, annotations, or a sample submission of BinEgo-360 that the files should agree with; empty:
        each file by itself.
    classes
        File of class names: annotations may hold no others.
    deep
        Whether every checksum is verified and every frame decoded.
    video
        Of decoding frames: readers, and the share of bad packets that is borne.
    """

    against: str = ""
    classes: str = ""
    deep: bool = False
    video: VideoOptions = field(default_factory=VideoOptions)


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


@dataclass(frozen=True)
class DemoOptions:
    """What the demo renders and how it fits; chosen on its validation videos.

    Parameters
    ----------
    num_videos
        Rendered videos of all subsets.
    seed
        Of the rendered videos and the heads; the trunk is ``random:SEED``.
    step_seconds, trunk, num_frames, resize
        As in `ExtractOptions` and its stages: small, so that two CPU cores suffice.
    epochs, lr, dropout
        As in `HeadOptions`. An untrained trunk's features hold no single number worth protecting: no dropout.

    Raises
    ------
    ConfigurationError
        Fewer than ten videos: each subset needs some.
    """

    num_videos: int = 160
    seed: int = 0
    step_seconds: float = 0.5
    trunk: str = "resnet18"
    num_frames: int = 4
    resize: str = "square48"
    epochs: int = 60
    lr: float = 0.03
    dropout: float = 0.0

    def __post_init__(self) -> None:
        """Check the number of videos."""
        if self.num_videos < 10:
            raise ConfigurationError(f"{self.num_videos} videos: the demo splits at least 10", "use --num-videos 10")

    @property
    def num_validation(self) -> int:
        """Videos to select by."""
        return max(2, round(self.num_videos * 0.14))

    @property
    def num_testing(self) -> int:
        """Held-out videos."""
        return max(2, round(self.num_videos * 0.18))
