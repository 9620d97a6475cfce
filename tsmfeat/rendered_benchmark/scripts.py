"""What happens in each video of the rendered benchmark: its scene, and who does what, where and when."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tsmfeat.rendered_benchmark.actions import ACTIONS, GROUPS, SCENES
from tsmfeat.rendered_benchmark.dial import scene_shares
from tsmfeat.values.annotations import Annotations
from tsmfeat.values.segments import Segments
from tsmfeat.values.vocabulary import Vocabulary

GENERATOR_VERSION = 1
VIEWS = ("panoramic", "front_view")
SUBSETS = ("training", "validation", "testing")

_RATES = (12.5, 15.0)
_FRONT_VIEW_SHARE = 0.85
# Seconds between what an actor does; the second actor is the lazier one.
_PAUSES = ((0.8, 5.0), (6.0, 16.0))
# Two actors never do the same within so many seconds: a grid of intervals could not tell the instances apart.
_SAME_GROUP_SECONDS = 0.5


@dataclass(frozen=True)
class Instance:
    """One action of one actor, around a place in the world, which is 2 wide and 1 high.

    Parameters
    ----------
    action
        One of `tsmfeat.rendered_benchmark.actions.ACTIONS`.
    start, end
        Seconds.
    actor
        0 or 1.
    y, x
        Centre, from the top left.
    """

    action: str
    start: float
    end: float
    actor: int
    y: float
    x: float


@dataclass(frozen=True)
class BenchmarkScript:
    """What happens in one video; equal scripts render to equal frames.

    Parameters
    ----------
    video_id, subset, scene
        As they stand in the annotations.
    views
        Names out of `VIEWS` that were recorded; the panoramic one always.
    frame_rate
        Frames a second.
    duration_seconds
        Length; a whole number of frames.
    instances
        By start; those of different actors may overlap.
    entropy
        Seeds everything else: backgrounds, colours, distractors, noise.
    """

    video_id: str
    subset: str
    scene: str
    views: tuple[str, ...]
    frame_rate: float
    duration_seconds: float
    instances: tuple[Instance, ...]
    entropy: tuple[int, ...]

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return round(self.duration_seconds * self.frame_rate)


@dataclass(frozen=True)
class ScriptOptions:
    """What the scripts of a data set share.

    Parameters
    ----------
    seed, stream
        Of the random numbers: streams of other names have nothing in common, whatever their seeds.
    scene_information
        I(action; scene) in bits.
    seconds
        Least and greatest length of a video.
    long_tail
        Whether actions are as unequally common as `tsmfeat.rendered_benchmark.actions.GROUPS` says, or all equally.
    """

    seed: int = 0
    stream: str = "videos"
    scene_information: float = 1.0
    seconds: tuple[float, float] = (60.0, 100.0)
    long_tail: bool = True


def write_benchmark_scripts(
    num_training: int, num_validation: int, num_testing: int, options: ScriptOptions | None = None
) -> list[BenchmarkScript]:
    """Invent the videos of a data set, split by video.

    Parameters
    ----------
    num_training, num_validation, num_testing
        Videos of each subset; more of them leave the first ones as they are.
    options
        `ScriptOptions`; its defaults where None.

    Raises
    ------
    ConfigurationError
        More bits of scene information than can be told.

    Examples
    --------
    >>> script = write_benchmark_scripts(1, 0, 0)[0]
    >>> script.video_id, script.subset, script.scene in SCENES, script.views[0]
    ('video_000', 'training', True, 'panoramic')
    """
    options = options or ScriptOptions()
    chances = _event_chances(options)
    subsets = np.repeat(SUBSETS, [num_training, num_validation, num_testing])
    return [_write_script(index, str(subset), chances, options) for index, subset in enumerate(subsets)]


def _event_chances(options: ScriptOptions) -> npt.NDArray[np.float64]:
    """Return the chances of the groups in each scene for the next thing to happen.

    Shares are of instances, and what comes several times in a row needs to begin less often.
    """
    shares = scene_shares(options.scene_information)
    if not options.long_tail:
        sizes = np.array([len(group.names) for group in GROUPS])
        shares = shares / shares.sum(axis=0) * sizes
    chances = shares / [group.mean_turns for group in GROUPS]
    return np.asarray(chances / chances.sum(axis=1, keepdims=True))


def _write_script(index: int, subset: str, chances: npt.NDArray[np.float64], options: ScriptOptions) -> BenchmarkScript:
    root = (options.seed, GENERATOR_VERSION, zlib.crc32(options.stream.encode()))
    rng = np.random.default_rng([*root, index, 0])
    scene = _deal_scene(index, root)
    frame_rate = float(_RATES[rng.integers(len(_RATES))])
    duration = round(rng.uniform(*options.seconds) * frame_rate) / frame_rate
    views = VIEWS if rng.uniform() < _FRONT_VIEW_SHARE else VIEWS[:1]
    instances: list[Instance] = []
    for actor in range(len(_PAUSES)):
        instances += _act(rng, chances[scene], duration, actor, tuple(instances))
    instances.sort(key=lambda one: (one.start, one.actor))
    return BenchmarkScript(
        f"video_{index:03d}", subset, SCENES[scene], views, frame_rate, duration, tuple(instances), (*root, index)
    )


def _deal_scene(index: int, root: Sequence[int]) -> int:
    """Return a scene: dealt like cards, so that every subset has all of them about equally often."""
    deck, place = divmod(index, len(SCENES))
    return int(np.random.default_rng([*root, deck, 1]).permutation(len(SCENES))[place])


def _act(
    rng: np.random.Generator,
    chances: npt.NDArray[np.float64],
    duration: float,
    actor: int,
    others: tuple[Instance, ...],
) -> Iterator[Instance]:
    """Yield what an actor does: bouts of a group, the two actions of a pair in turn and at one place."""
    at = rng.uniform(0.5, 2.0) + rng.uniform(*_PAUSES[actor]) * (actor > 0)
    while True:
        group = int(rng.choice(len(GROUPS), p=chances))
        names, (least, most) = GROUPS[group].names, GROUPS[group].turns
        lengths = rng.uniform(*GROUPS[group].seconds, rng.integers(least, most + 1))
        first, y, x = int(rng.integers(2)), rng.uniform(0.36, 0.64), rng.uniform(0.3, 1.7)
        at = _find_room(at, float(lengths.sum()), names, others)
        for turn, length in enumerate(lengths.tolist()):
            start, at = at, at + length
            if round(at, 2) > duration:
                return
            name = names[(first + turn) % len(names)]
            yield Instance(name, round(start, 2), round(at, 2), actor, round(y, 4), round(x, 4))
        at += rng.uniform(*_PAUSES[actor])


def _find_room(at: float, length: float, names: Sequence[str], others: Sequence[Instance]) -> float:
    """Return when a bout may begin: not while the other actor does the same."""
    for other in others:
        if other.action in names and other.start < at + length + _SAME_GROUP_SECONDS:
            at = max(at, other.end + _SAME_GROUP_SECONDS) if other.end + _SAME_GROUP_SECONDS > at else at
    return at


def annotate_benchmark(scripts: Sequence[BenchmarkScript]) -> Annotations:
    """Return the ground truth of rendered videos: actions only, whatever else moves."""
    rows = [(v, ACTIONS.index(one.action), one.start, one.end) for v, s in enumerate(scripts) for one in s.instances]
    video, label, start, end = np.array(rows, np.float64).reshape(-1, 4).T
    return Annotations(
        tuple(script.video_id for script in scripts),
        Vocabulary(ACTIONS),
        Segments(video.astype(np.int32), label.astype(np.int32), start, end, np.ones(len(rows))),
        np.array([script.duration_seconds for script in scripts]),
        tuple(script.subset for script in scripts),
        np.array([SCENES.index(script.scene) for script in scripts]),
        Vocabulary(SCENES),
    )
