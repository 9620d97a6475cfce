"""Options that were given and have no say: nobody should believe that they changed the score."""

from tsmfeat.fusion.options import FusionOptions
from tsmfeat.localization.options import LocalizationOptions
from tsmfeat.priors.options import PriorOptions
from tsmfeat.workflows.score_options import ScoreOptions


def list_vain(options: ScoreOptions, num_sources: int) -> list[str]:
    """Return a sentence for each option of scoring that differs from its default in vain.

    Parameters
    ----------
    options
        As given.
    num_sources
        How many are scored together.

    Examples
    --------
    >>> list_vain(ScoreOptions(localization=LocalizationOptions(threshold=0.3)), 1)
    ['--threshold has no say without --localize threshold']
    """
    localization, prior, fusion, usual = options.localization, options.prior, options.fusion, FusionOptions()
    is_argmax = localization.localize != "threshold"
    given = {
        "--threshold has no say without --localize threshold": is_argmax
        and localization.threshold != LocalizationOptions.threshold,
        "--class-threshold has no say without --localize threshold": is_argmax and bool(localization.class_thresholds),
        "--gamma has no say without --video-prior": not prior.asked and prior.gamma != PriorOptions.gamma,
        "--prior-subset has no say without --prior-annotations": bool(
            prior.prior_subset and not prior.prior_annotations
        ),
        "--frame-step has no say without --measures frames": "frames" not in options.measures
        and options.frame_step_seconds != ScoreOptions.frame_step_seconds,
        "--weights learned has no say on a single source": options.weights == "learned" and num_sources == 1,
        "--fusion-tiou, --union and --missing have no say on a single source, which is scored as it is; "
        "tsmfeat fuse applies them": (fusion.fusion == "paper" and num_sources == 1)
        and (fusion.fusion_tiou, fusion.union, fusion.missing) != (usual.fusion_tiou, usual.union, usual.missing),
    }
    return [sentence for sentence, vain in given.items() if vain]


def changes_localization(options: ScoreOptions) -> bool:
    """Return whether any option of localisation, or costs of changing the label, differ from their defaults."""
    return options.localization != LocalizationOptions() or bool(options.transitions)
