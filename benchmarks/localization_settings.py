"""The settings among which the study of localisation chooses, extra by extra."""

from dataclasses import dataclass, replace

from localization_streams import Stream

from tsmfeat.fusion.options import FusionOptions
from tsmfeat.localization.options import LocalizationOptions

OFF = LocalizationOptions()
WIDTHS, SIGMAS = (3, 5, 9, 15, 21, 31), (0.5, 1.0, 2.0, 4.0, 8.0)
COSTS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
GAPS, LENGTHS = (1, 2, 4, 8), (2, 4, 8, 16, 32)
LEVELS = {False: (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9), True: (-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0)}
SOFT_NMS = tuple(FusionOptions("soft-nms", sigma=sigma) for sigma in (0.3, 0.7))


@dataclass(frozen=True)
class Setting:
    """How scores become segments, and how these are thinned afterwards; None: not at all."""

    options: LocalizationOptions
    thinning: FusionOptions | None = None

    @property
    def name(self) -> str:
        """What differs from the defaults."""
        words = [f"{name}={value}" for name, value in vars(self.options).items() if value != getattr(OFF, name)]
        words += [f"soft-nms {self.thinning.sigma}"] if self.thinning else []
        return ", ".join(words) or "off"


Settings = list[Setting]
Options = list[LocalizationOptions]


def families(stream: Stream) -> dict[str, Settings]:
    """Return the settings to choose among for each extra."""
    labelled = {} if stream.labels is None else _label_families(stream.scores.step_seconds)
    found = {name: [Setting(one) for one in options] for name, options in labelled.items()}
    levels = LEVELS[stream.has_margins]
    for name, options in _threshold_families(levels, stream.scores.step_seconds).items():
        found[name] = [Setting(one) for one in options]
    for name in ("threshold", "nested"):
        contrast = [replace(one.options, segment_score="contrast") for one in found[name]]
        found[f"{name} + contrast"] = [Setting(one) for one in contrast]
        found[f"{name} + contrast + soft-nms"] = [Setting(one, thinning) for one in contrast for thinning in SOFT_NMS]
    gaussian = [replace(one, smooth=f"gaussian:{sigma}") for one in contrast for sigma in (1.0, 2.0)]
    found["nested + contrast + soft-nms + gaussian"] = [Setting(one, SOFT_NMS[1]) for one in [*contrast, *gaussian]]
    return found


def _label_families(step: float) -> dict[str, Options]:
    """Return the options of extras of one label an interval, each with the choice of leaving it out."""
    mean = [OFF, *(replace(OFF, smooth=f"mean:{width}") for width in WIDTHS)]
    gaussian = [OFF, *(replace(OFF, smooth=f"gaussian:{sigma}") for sigma in SIGMAS)]
    paths = [OFF, *(replace(OFF, smooth=f"viterbi:{cost}") for cost in COSTS)]
    lengths = [0.0, *(rows * step for rows in LENGTHS)]
    return {
        "none": [OFF],
        "mean": mean,
        "gaussian": gaussian,
        "viterbi": paths,
        "viterbi, learned": paths,
        "max gap": [OFF, *(replace(OFF, max_gap=gap) for gap in GAPS)],
        "min duration": [replace(OFF, min_duration=seconds) for seconds in lengths],
        "tail": [OFF, replace(OFF, tail="extend")],
        "refine": [replace(OFF, refine=True)],
        "mean score": [replace(OFF, segment_score="mean")],
        "contrast": [replace(OFF, segment_score="contrast")],
        "gaussian + min duration": [replace(one, min_duration=seconds) for one in gaussian for seconds in lengths],
        "gaussian + refine": [replace(one, refine=True) for one in gaussian],
        "gaussian + mean score": [replace(one, segment_score="mean") for one in gaussian],
        "gaussian + contrast": [replace(one, segment_score="contrast") for one in gaussian],
        "viterbi, learned + refine": [replace(one, refine=True) for one in paths],
        "viterbi, learned + contrast": [replace(one, segment_score="contrast") for one in paths],
    }


def _threshold_families(levels: tuple[float, ...], step: float) -> dict[str, Options]:
    single = [LocalizationOptions("threshold", level) for level in levels]
    # All levels, every second, every third, and the lower ones: which are nested is chosen as well.
    nested = [LocalizationOptions("threshold", chosen) for chosen in (levels, levels[::2], levels[::3], levels[:5])]
    return {
        "threshold": single,
        "threshold by class": single,
        "threshold + refine": [replace(one, refine=True) for one in single],
        "threshold + max gap": [replace(one, max_gap=gap) for one in single for gap in (0, *GAPS)],
        "threshold + min duration": [replace(s, min_duration=n * step) for s in single for n in (0, *LENGTHS)],
        "threshold + gaussian": [*single, *(replace(s, smooth=f"gaussian:{w}") for s in single for w in SIGMAS)],
        "threshold + mean score": [replace(one, segment_score="mean") for one in single],
        "nested": nested,
        "nested + mean score": [replace(one, segment_score="mean") for one in nested],
    }
