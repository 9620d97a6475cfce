"""The options of each job that makes things: those of the stages it drives, and its own."""

from dataclasses import dataclass, field

from tsmfeat.errors import ConfigurationError, did_you_mean, require_choice
from tsmfeat.formats.options import FORMATS, PIECES_CHOICES
from tsmfeat.store.options import StoreOptions
from tsmfeat.trunk.names import TRUNKS
from tsmfeat.trunk.options import TrunkOptions
from tsmfeat.video.geometry import parse_geometry
from tsmfeat.video.options import VideoOptions
from tsmfeat.workflows.array_options import ArrayOptions
from tsmfeat.workflows.shards import parse_shard

ID_RULES = ("stem", "path")
ENGINES = ("local", "ray")
# Rendered videos of each size of the demo.
DEMO_SIZES = {"small": 160, "benchmark": 120}


@dataclass(frozen=True)
class ExtractOptions:
    """How videos become stored features: every trunk at every step, in one decoding pass.

    Parameters
    ----------
    trunk, video, store
        Options of the stages; several trunks as a tuple.
    step_seconds
        The grid's step t; several as a tuple.
    clip_seconds
        The clip's span; None: the step.
    view
        Name of the view, part of the features' identity; with a manifest that has views: the one that is extracted,
        empty for all.
    id_rule
        One of `ID_RULES`: what a video found in a folder is called.
    overwrite
        Whether an existing output is removed first; otherwise the run resumes it.
    retry_failed
        Whether videos listed as failed are tried again.
    resizes
        Frame geometry of each trunk, where they differ; empty: that of `video` for all.
    manifest
        CSV file with the videos' ids, views and paths; empty: none.
    shard
        ``"i/n"``: only the videos whose id falls into share i (from 0) of n; empty: all.
    probe_seconds, measure_seconds
        Of an estimate: how long the lengths of videos are looked up, and how long videos are decoded and embedded.
    engine
        One of `ENGINES`: this machine, or a Ray cluster.
    num_actors
        Workers on Ray; None: one a GPU, or one a machine where there are none.

    Raises
    ------
    ConfigurationError
        The id rule, the engine or the shard is unknown, the clip's span is shorter than a step, a step is given twice,
        the geometries are not one a trunk, or actors are asked for of another engine than Ray.

    Examples
    --------
    >>> trunk = TrunkOptions("resnet18", "random:0")
    >>> ExtractOptions(trunk, step_seconds=(0.25, 1.0)).steps, ExtractOptions(trunk).steps
    ((0.25, 1.0), (0.5,))
    """

    trunk: TrunkOptions | tuple[TrunkOptions, ...]
    video: VideoOptions = field(default_factory=VideoOptions)
    store: StoreOptions = field(default_factory=StoreOptions)
    step_seconds: float | tuple[float, ...] = 0.5
    clip_seconds: float | None = None
    view: str = ""
    id_rule: str = "stem"
    overwrite: bool = False
    retry_failed: bool = False
    resizes: tuple[str, ...] = ()
    manifest: str = ""
    shard: str = ""
    probe_seconds: float = 10.0
    measure_seconds: float = 5.0
    engine: str = ENGINES[0]
    num_actors: int | None = None

    def __post_init__(self) -> None:
        """Check what belongs to no stage."""
        if self.id_rule not in ID_RULES:
            raise ConfigurationError(f"id rule {self.id_rule!r} is unknown", f"choose one of {', '.join(ID_RULES)}")
        if not self.steps or not self.trunks:
            raise ConfigurationError("no step or no trunk; an extraction has one of each at least", "use --step 0.5")
        if len(set(self.steps)) < len(self.steps):
            raise ConfigurationError(f"steps {self.steps}: one is given twice", "give each step once")
        if self.clip_seconds is not None and not self.clip_seconds >= max(self.steps):
            raise ConfigurationError(
                f"clips of {self.clip_seconds} s in steps of {max(self.steps)} s: a clip spans its interval at least",
                "leave --clip-seconds out, or make it larger than --step",
            )
        if self.resizes and len(self.resizes) != len(self.trunks):
            raise ConfigurationError(
                f"{len(self.resizes)} geometries for {len(self.trunks)} trunks: one for all, or one a trunk",
                "give --resize once, or as many as there are --trunk",
            )
        for name in self.resizes:
            parse_geometry(name)
        parse_shard(self.shard)
        require_choice("engine", self.engine, ENGINES)
        if self.num_actors is not None and (self.num_actors < 1 or self.engine == "local"):
            raise ConfigurationError(
                f"{self.num_actors} actors on the {self.engine} engine: actors are Ray's, at least one",
                "use --engine ray --num-actors auto",
            )

    @property
    def trunks(self) -> tuple[TrunkOptions, ...]:
        """All trunks."""
        return self.trunk if isinstance(self.trunk, tuple) else (self.trunk,)

    @property
    def steps(self) -> tuple[float, ...]:
        """All steps."""
        return self.step_seconds if isinstance(self.step_seconds, tuple) else (self.step_seconds,)

    @property
    def geometries(self) -> tuple[str, ...]:
        """Frame geometry of each trunk."""
        return self.resizes or (self.video.resize,) * len(self.trunks)


@dataclass(frozen=True)
class ConvertOptions:
    """How a file becomes another: a checkpoint of a trunk, annotations or predictions, stored features or arrays.

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
    arrays
        Of folders of arrays, and of stores that become one.

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
    arrays: ArrayOptions = field(default_factory=ArrayOptions)

    def __post_init__(self) -> None:
        """Check the names."""
        for name, value, choices in (
            ("trunk", self.trunk, ("", *TRUNKS)),
            ("from", self.from_format, ("", *FORMATS)),
            ("to", self.to_format, ("", *FORMATS)),
            ("pieces", self.pieces, PIECES_CHOICES),
            ("id", self.arrays.id_rule, ID_RULES),
        ):
            if value not in choices:
                known = [choice for choice in choices if choice]
                hint = did_you_mean(value, known) or f"choose one of {', '.join(known)}"
                raise ConfigurationError(f"{name} {value!r} is not known", hint)


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
class DemoOptions:
    """What the demo renders and how it fits; chosen on its validation videos.

    Parameters
    ----------
    num_videos
        Rendered videos of all subsets; None: as many as the size has.
    seed
        Of the rendered videos and the heads; the small demo's trunk is ``random:SEED``.
    step_seconds, trunk, num_frames, resize
        As in `ExtractOptions` and its stages: small, so that two CPU cores suffice.
    epochs, lr, dropout
        As in `HeadOptions`. An untrained trunk's features hold no single number worth protecting: no dropout.
    size
        One of `DEMO_SIZES`: the small demo shows what the shift does, the benchmark is hard.
    scene_information
        I(action; scene) of the benchmark's annotations, in bits.
    train
        Whether the benchmark's trunk is trained anew; otherwise it is the one that comes with the package.

    Raises
    ------
    ConfigurationError
        Fewer than ten videos (each subset needs some), an unknown size, or options that the small demo lacks.
    """

    num_videos: int | None = None
    seed: int = 0
    step_seconds: float = 0.5
    trunk: str = "resnet18"
    num_frames: int = 4
    resize: str = "square48"
    epochs: int = 60
    lr: float = 0.03
    dropout: float = 0.0
    size: str = "small"
    scene_information: float = 1.0
    train: bool = False

    def __post_init__(self) -> None:
        """Check the size and the number of videos."""
        require_choice("size", self.size, tuple(DEMO_SIZES))
        if self.count < 10:
            raise ConfigurationError(f"{self.num_videos} videos: the demo splits at least 10", "use --num-videos 10")
        if self.size == "small" and (self.train or self.scene_information != DemoOptions.scene_information):
            raise ConfigurationError(
                "the small demo has no dial of scene information and trains no trunk", "add --size benchmark"
            )

    @property
    def count(self) -> int:
        """Rendered videos of all subsets."""
        return DEMO_SIZES[self.size] if self.num_videos is None else self.num_videos

    @property
    def num_training(self) -> int:
        """Videos to fit on."""
        return self.count - self.num_validation - self.num_testing

    @property
    def num_validation(self) -> int:
        """Videos to select by."""
        return max(2, round(self.count * 0.14))

    @property
    def num_testing(self) -> int:
        """Held-out videos."""
        return max(2, round(self.count * (0.18 if self.size == "small" else 0.25)))
