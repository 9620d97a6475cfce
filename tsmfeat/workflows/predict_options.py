"""The options of predicting: those of the stages it drives, and its own."""

from dataclasses import dataclass, field

from tsmfeat.errors import ConfigurationError
from tsmfeat.fusion.options import FusionOptions
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.priors.options import AUTO, PriorOptions
from tsmfeat.trunk.options import TrunkOptions
from tsmfeat.video.options import VideoOptions
from tsmfeat.workflows.options import ExtractOptions


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
    manifest
        CSV that names raw videos and the view that each file shows, as in `ExtractOptions`; in place of sources.

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
    manifest: str = ""

    def __post_init__(self) -> None:
        """Check what belongs to no stage."""
        if self.prior.gamma == AUTO:
            raise ConfigurationError(
                "gamma 'auto' is chosen on annotations, and predicting has none",
                "tsmfeat score --gamma auto tells the number to give here",
            )
