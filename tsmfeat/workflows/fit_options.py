"""How features and annotations become heads: the options beside those of the heads themselves."""

from dataclasses import dataclass, field

from tsmfeat.errors import ConfigurationError, require_choice
from tsmfeat.heads.loss_options import read_loss
from tsmfeat.heads.options import CALIBRATIONS, SEGMENT_HEADS, HeadOptions
from tsmfeat.workflows.sweeps import expand_sweep

MEMORY = ("auto", "ram", "mapped")


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
        With folds there are none.
    classes
        File of class names, the actions of the heads; empty: those of the annotations by first appearance.
    sweep
        Values of head options to try, such as ``"lr=0.001,0.01;dropout=0,0.5"``: every combination is a setting.
    num_seeds
        Seeds of each setting, from that of `heads` on; settings are compared by the mean over them.
    num_folds
        Folds of videos; 0: none. Each fold is predicted by heads that did not see it, at the last epoch; the heads
        that are saved are then fitted on all of them.
    group
        A column of the annotations, or ``COLUMN@FILE.csv``: videos of equal value share a fold. Empty: each its own.
    save_oof
        Folder for the out-of-fold interval scores; empty: they are not kept.
    pseudo
        Prediction file whose segments are taken for truth in videos that are neither trained on nor selected by.
    pseudo_min_score
        The least score of a segment taken for truth.
    views
        Names of views that are joined, each with a store of its own; empty: the features are one store.
    scene_prior
        Whether the scenes that the heads see weigh their actions, as strongly as pays on the validation videos or out
        of fold (`tsmfeat.workflows.scene_priors`).
    calibrate
        One of `CALIBRATIONS`. ``"temperature"``: the action scores of the heads that are kept are divided by the one
        number that gives the validation videos, or the held-out folds, the smallest log-loss.
    memory
        One of `MEMORY`: features are read into memory; stay in their files, memory-mapped, and are drawn in shuffled
        blocks; or, ``"auto"``, the latter where they would take more than half of the free memory.

    Raises
    ------
    ConfigurationError
        A number outside its range, a sweep that cannot be read, or options that contradict each other.

    Examples
    --------
    >>> len(FitOptions(sweep="lr=0.01,0.1;dropout=0,0.5", num_seeds=2).runs())
    8
    """

    heads: HeadOptions = field(default_factory=HeadOptions)
    subset: str = ""
    validation_subset: str = ""
    classes: str = ""
    sweep: str = ""
    num_seeds: int = 1
    num_folds: int = 0
    group: str = ""
    save_oof: str = ""
    pseudo: str = ""
    pseudo_min_score: float = 0.5
    views: tuple[str, ...] = ()
    scene_prior: bool = False
    calibrate: str = CALIBRATIONS[0]
    memory: str = MEMORY[0]

    def __post_init__(self) -> None:
        """Check the numbers, and that everything can be carried out together."""
        require_choice("calibrate", self.calibrate, CALIBRATIONS)
        if self.num_seeds < 1:
            raise ConfigurationError(f"{self.num_seeds} seeds; a setting has one at least", "use --num-seeds 1")
        require_choice("memory", self.memory, MEMORY)
        self._check_views()
        self._check_scenes()
        if self.num_folds < 0 or self.num_folds == 1:
            raise ConfigurationError(f"{self.num_folds} folds; there are none, or two at least", "use --folds 5")
        if not self.num_folds and (self.group or self.save_oof):
            name = "--group" if self.group else "--save-oof"
            raise ConfigurationError(f"{name} and no folds; it is about folds of videos", "add --folds 5")
        if self.num_folds and self.validation_subset:
            raise ConfigurationError(
                "folds and a validation subset; with folds every training video is held out once", "leave one out"
            )
        if self.num_folds and any(run.patience for run in self.runs()):
            raise ConfigurationError(
                "folds and patience; an epoch chosen on a held-out fold would flatter it", "leave --patience out"
            )

    def _check_views(self) -> None:
        highest = max(run.view_dropout for run in self.runs())
        if highest and len(self.views) < 2:
            raise ConfigurationError(
                f"view_dropout {highest:g} masks one of several views, and {len(self.views) or 'none'} is named",
                "add for example --views panoramic,front_view",
            )

    def _check_scenes(self) -> None:
        if not self.scene_prior:
            return
        if "scene" not in self.heads.tasks:
            raise ConfigurationError(
                "a scene prior and heads that learn no scenes; it weighs actions by the scene",
                "use --tasks action,scene",
            )
        for run in self.runs():
            if run.head in SEGMENT_HEADS:
                raise ConfigurationError(
                    f"a scene prior and head {run.head!r}; it weighs interval scores, and these have none",
                    "leave --scene-prior out, or weigh the segments: tsmfeat score --video-prior scenes",
                )
            if read_loss(run.loss).activation == "sigmoid":
                raise ConfigurationError(
                    "a scene prior and --loss sigmoid; it weighs actions against each other, and there each stands "
                    "alone",
                    "leave --scene-prior out, or use another loss",
                )

    def runs(self) -> list[HeadOptions]:
        """Return the options of every run: each setting of the sweep with each seed."""
        return expand_sweep(self.heads, self.sweep, self.num_seeds)
