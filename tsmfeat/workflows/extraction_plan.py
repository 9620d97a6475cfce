"""What an extraction makes: one kind of features for every trunk, step and view, and where each goes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tsmfeat.errors import ConfigurationError
from tsmfeat.store.folders import files_in, is_packed_output
from tsmfeat.store.schema import PART_PREFIX, SUFFIX
from tsmfeat.trunk.names import name_in_spec
from tsmfeat.trunk.options import TrunkOptions
from tsmfeat.trunk.protocol import Trunk
from tsmfeat.values.features import FeatureSpec
from tsmfeat.video.geometry import parse_geometry
from tsmfeat.video.options import reader_identity
from tsmfeat.video.tasks import ClipRecipe
from tsmfeat.workflows.failures import Failure
from tsmfeat.workflows.options import ExtractOptions
from tsmfeat.workflows.sources import VideoSource

_DIGITS = 8


@dataclass(frozen=True)
class SpecOutput:
    """One kind of features, and where they go.

    Parameters
    ----------
    spec
        Identity of the features.
    out
        A ``.h5`` file, or a folder of parts.
    trunk
        Place of its trunk among those of the run.
    """

    spec: FeatureSpec
    out: Path
    trunk: int

    @property
    def recipe(self) -> ClipRecipe:
        """How its clips are made; rolled or not, they are the same."""
        spec, geometry = self.spec, parse_geometry(self.spec.geometry).frame_name
        return ClipRecipe(spec.step_seconds, spec.num_frames, spec.clip_seconds, geometry, spec.resize_filter)


@dataclass(frozen=True)
class VideoJob:
    """A video to read once, and the outputs that lack it.

    Parameters
    ----------
    source
        The video.
    outputs
        Places among the outputs of the run, ascending.
    """

    source: VideoSource
    outputs: tuple[int, ...]


def plan_recipes(job: VideoJob, outputs: Sequence[SpecOutput]) -> dict[ClipRecipe, list[int]]:
    """Return the different recipes of a job, each with the outputs that its clips feed.

    Trunks that take equal clips share them: they are decoded, resized and sent once.
    """
    recipes: dict[ClipRecipe, list[int]] = {}
    for place in job.outputs:
        recipes.setdefault(outputs[place].recipe, []).append(place)
    return recipes


def specify(trunk: Trunk, options: TrunkOptions, precision: str, asked: ExtractOptions, geometry: str) -> FeatureSpec:
    """Return the identity of a trunk's features at the first step, in the view that was named.

    Parameters
    ----------
    trunk, options
        What was loaded, and by which words.
    precision
        Resolved.
    asked
        All other options.
    geometry
        Of the trunk's frames.
    """
    step = asked.steps[0]
    return FeatureSpec(
        trunk=name_in_spec(options.trunk),
        checkpoint_digest=trunk.checkpoint_digest,
        num_frames=options.num_frames,
        step_seconds=step,
        clip_seconds=step if asked.clip_seconds is None else asked.clip_seconds,
        geometry=geometry,
        resize_filter=asked.video.resize_filter,
        shift=bool(trunk.shifted_blocks),
        shift_div=options.shift_div,
        precision=precision,
        embedding_size=trunk.embedding_size,
        view=asked.view,
        reader=reader_identity(asked.video),
    )


def plan_outputs(
    base: Path, specs: Sequence[FeatureSpec], steps: Sequence[float], views: Sequence[str], sharded: bool
) -> list[SpecOutput]:
    """Return all outputs of an extraction.

    Parameters
    ----------
    base
        What the user named: the output itself where there is one kind of features, the folder of the outputs else.
    specs
        One a trunk, at any step; their clips span the step where they span that of the spec.
    steps, views
        Of the grid.
    sharded
        Whether other runs extract other shares of the videos: then outputs are folders of parts.

    Raises
    ------
    ConfigurationError
        A file where a folder is needed, or two trunks that are one.

    Examples
    --------
    >>> spec = FeatureSpec("resnet18", "0" * 64, 8, 0.5, 0.5, "square256", "pil", True, 8, "fp32", 512)
    >>> [output.out.as_posix() for output in plan_outputs(Path("x"), [spec], (0.5, 1.0), [""], False)]
    ['x/resnet18_t0.5.h5', 'x/resnet18_t1.h5']
    >>> [output.out.as_posix() for output in plan_outputs(Path("x.h5"), [spec], (1.0,), [""], False)]
    ['x.h5']
    """
    every = [
        (_at_step(replace(spec, view=view), step), trunk)
        for view in views
        for trunk, spec in enumerate(specs)
        for step in steps
    ]
    _require_different([spec for spec, _ in every])
    if sharded and is_packed_output(base):
        raise ConfigurationError(
            f"{base}: a share of the videos cannot be a file of its own; shares are parts in a common folder",
            f"use -o {base.with_suffix('')}/ in every run, then: tsmfeat merge {base.with_suffix('')}/ -o {base}",
        )
    places = name_outputs(base, [spec for spec, _ in every])
    if sharded and len(every) > 1:
        places = [place.parent / place.name.removesuffix(SUFFIX) for place in places]
    return [SpecOutput(spec, place, trunk) for (spec, trunk), place in zip(every, places, strict=True)]


def _require_different(specs: Sequence[FeatureSpec]) -> None:
    for spec, number in Counter(specs).items():
        if number > 1:
            raise ConfigurationError(
                f"{spec.trunk} at {spec.step_seconds:g} s is asked for {number} times, alike in all",
                "name each trunk once",
            )


def _at_step(spec: FeatureSpec, step: float) -> FeatureSpec:
    clip = step if spec.clip_seconds == spec.step_seconds else spec.clip_seconds
    return replace(spec, step_seconds=step, clip_seconds=clip)


def name_outputs(base: Path, specs: Sequence[FeatureSpec]) -> list[Path]:
    """Return where the features of each spec lie: the path itself for one, files in it for several.

    Specs of one trunk, step and view are told apart by the first digits of a digest. Precision is no part of it, so
    that one left open finds its output on every device; only specs that differ in nothing else have it in their names.

    Raises
    ------
    ConfigurationError
        Several specs and the name of a file.

    Examples
    --------
    >>> one = FeatureSpec("resnet18", "0" * 64, 8, 0.5, 0.5, "square256", "pil", True, 8, "fp32", 512)
    >>> other = replace(one, step_seconds=1.0, clip_seconds=1.0, view="front")
    >>> [path.as_posix() for path in name_outputs(Path("kept"), [one, other])]
    ['kept/resnet18_t0.5.h5', 'kept/resnet18_t1_front.h5']
    """
    if len(specs) == 1:
        return [base]
    if is_packed_output(base):
        raise ConfigurationError(
            f"{base}: a file, but there are {len(specs)} kinds of features (trunks × steps × views)",
            f"name a folder, each gets a file in it: {base.with_suffix('')}",
        )
    names = [_name_spec(spec) for spec in specs]
    names = _tell_apart(names, [replace(spec, precision="").digest()[:_DIGITS] for spec in specs])
    names = _tell_apart(names, [spec.precision for spec in specs])
    return [base / f"{name}{SUFFIX}" for name in names]


def _tell_apart(names: Sequence[str], details: Sequence[str]) -> list[str]:
    counts = Counter(names)
    return [name if counts[name] == 1 else f"{name}_{detail}" for name, detail in zip(names, details, strict=True)]


def _name_spec(spec: FeatureSpec) -> str:
    view = f"_{spec.view}" if spec.view else ""
    # Names of other libraries' trunks hold colons and slashes; a view may hold anything, a way out of the folder too.
    name = f"{spec.trunk}_t{spec.step_seconds:g}{view}"
    return "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in name)


def require_own_folder(out: Path, outputs: Sequence[SpecOutput]) -> None:
    """Refuse to mix, in one folder, the parts of one kind of features with files of several.

    Raises
    ------
    ConfigurationError
        Several kinds are to go where the parts of one lie, or the reverse: nothing would be found again.
    """
    inside = {path.name for path in files_in(out)} if not is_packed_output(out) else set()
    alone = outputs[0].out == out
    beside = f"{_name_spec(outputs[0].spec)}{SUFFIX}"
    if alone and beside in inside:
        raise ConfigurationError(
            f"{out}: holds a file of each of several kinds of features, {beside} among them", f"use -o {out / beside}"
        )
    if not alone and any(name.startswith(PART_PREFIX) for name in inside):
        raise ConfigurationError(
            f"{out}: holds the parts of one kind of features; several kinds lie in files of their own",
            f"choose another folder with -o, or pack the parts first: tsmfeat merge {out} -o FILE.h5",
        )


def choose_jobs(
    sources: Sequence[VideoSource], outputs: Sequence[SpecOutput], stored: Sequence[set[str]]
) -> list[VideoJob]:
    """Return the videos that some output of their view lacks.

    Parameters
    ----------
    sources, outputs
        What was asked for.
    stored
        Ids of the videos that each output holds.
    """
    places: dict[str, list[int]] = {}
    for place, output in enumerate(outputs):
        places.setdefault(output.spec.view, []).append(place)
    jobs = (
        VideoJob(source, tuple(place for place in places[source.view] if source.video_id not in stored[place]))
        for source in sources
    )
    return [job for job in jobs if job.outputs]


def leave_failed(
    jobs: Sequence[VideoJob], outputs: Sequence[SpecOutput], failures: Mapping[str, Failure]
) -> list[VideoJob]:
    """Return jobs without what failed before: a video for all outputs, or for those that refused it.

    Parameters
    ----------
    jobs, outputs
        What is left to do.
    failures
        By `Failure.key`.
    """
    left = []
    for job in jobs:
        failure = failures.get(job.source.key)
        places = tuple(
            place for place in job.outputs if failure is None or not failure.concerns([outputs[place].out.stem])
        )
        if places:
            left.append(VideoJob(job.source, places))
    return left


def repeats_frames(spec: FeatureSpec, distinct_frames: "np.ndarray[tuple[int], np.dtype[np.uint8]]") -> bool:
    """Tell whether the median clip of a video repeats more than half of its frames."""
    return bool(len(distinct_frames)) and bool(np.median(distinct_frames) < spec.num_frames / 2)
