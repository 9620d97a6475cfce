"""From the features that heads demand to the options that make the same features again."""

from collections.abc import Sequence
from dataclasses import replace

from tsmfeat.errors import CheckpointError, ConfigurationError, SpecMismatchError
from tsmfeat.trunk.loading import load_trunk
from tsmfeat.trunk.names import PYTHON, split_trunk
from tsmfeat.trunk.options import TrunkOptions
from tsmfeat.values.features import SAMPLING_VERSION, FeatureSpec
from tsmfeat.video.options import DECODERS, RESIZE_FILTERS
from tsmfeat.workflows.options import ExtractOptions
from tsmfeat.workflows.predict_options import PredictOptions

_DIGITS = 12


def match_trunks(
    specs: Sequence[FeatureSpec], checkpoints: Sequence[str], manifest: str = ""
) -> dict[FeatureSpec, str]:
    """Return the checkpoint of each spec: the one whose weights have its digest.

    Parameters
    ----------
    specs
        What heads were fitted on.
    checkpoints
        Files and ``random:SEED``, in any order.
    manifest
        What says which file shows which view; empty: nothing does.

    Raises
    ------
    ConfigurationError
        No checkpoint is given, or the heads were fitted on several views and nothing tells them apart.
    SpecMismatchError
        A spec finds no checkpoint (the digests wanted and found are named), or cannot be made by this version.
    CheckpointError
        The only checkpoint cannot be read, or does not fit the trunk.
    """
    if not manifest:
        _require_one_view(specs)
    for spec in specs:
        _require_extractable(spec)
    # A user's function loads what it wants.
    if not checkpoints and all(split_trunk(spec.trunk)[0] == PYTHON for spec in specs):
        checkpoints = ("",)
    if not checkpoints:
        raise ConfigurationError(
            f"raw videos need the trunk the heads were fitted with, and no checkpoint is given: {_wanted(specs[0])}",
            "add --checkpoint FILE, or random:SEED for untrained weights",
        )
    return {spec: _find_trunk(spec, checkpoints) for spec in specs}


def _require_one_view(specs: Sequence[FeatureSpec]) -> None:
    views = sorted({spec.view for spec in specs})
    if len(views) > 1:
        raise ConfigurationError(
            f"the heads were fitted on the views {', '.join(map(repr, views))}; a raw video shows one",
            "say which file shows which: --manifest VIEWS.csv (video_id,view,path), or extract them, and name stores",
        )


def _require_extractable(spec: FeatureSpec) -> None:
    for field, found, known in (
        ("sampling_version", spec.sampling_version, (SAMPLING_VERSION,)),
        ("resize_filter", spec.resize_filter, RESIZE_FILTERS),
        ("reader", spec.reader, ("", *DECODERS)),
    ):
        if found not in known:
            raise SpecMismatchError(
                f"the heads were fitted on features of {field} {found!r}; this version makes "
                + " or ".join(repr(choice) for choice in known),
                "predict on the store these heads were fitted on, or extract and fit anew",
            )


def _find_trunk(spec: FeatureSpec, checkpoints: Sequence[str]) -> str:
    found = []
    for checkpoint in checkpoints:
        try:
            digest = _digest_of(checkpoint, spec)
        except CheckpointError as error:
            if len(checkpoints) == 1:
                raise
            found.append(error.message)
            continue
        if digest == spec.checkpoint_digest:
            return checkpoint
        found.append(f"{checkpoint} has {digest[:_DIGITS]}…")
    raise SpecMismatchError(
        f"the heads demand {_wanted(spec)}; {'; '.join(found)}",
        "pass the checkpoint their features were extracted with",
    )


def _wanted(spec: FeatureSpec) -> str:
    return f"{spec.trunk} with weights of digest {spec.checkpoint_digest[:_DIGITS]}…"


def _digest_of(checkpoint: str, spec: FeatureSpec) -> str:
    shift = "on" if spec.shift else "off"
    return load_trunk(TrunkOptions(spec.trunk, checkpoint, spec.num_frames, shift, spec.shift_div)).checkpoint_digest


def extract_options(spec: FeatureSpec, checkpoint: str, options: PredictOptions) -> ExtractOptions:
    """Return the options under which `tsmfeat.workflows.extract` makes features of a spec.

    Videos that failed in an earlier run are tried again: whoever names them wants their predictions. Where the reader's
    own scaler makes the decoder part of the identity, it is that of the spec.

    Parameters
    ----------
    spec
        The identity wanted.
    checkpoint
        The one with its digest.
    options
        Of what is no identity: devices, readers, ids.
    """
    trunk = TrunkOptions(
        spec.trunk,
        checkpoint,
        spec.num_frames,
        "on" if spec.shift else "off",
        spec.shift_div,
        spec.precision,
        options.device,
        options.batch_size,
    )
    decoder = spec.reader or options.video.decoder
    video = replace(options.video, resize=spec.geometry, resize_filter=spec.resize_filter, decoder=decoder)
    return ExtractOptions(
        trunk,
        video,
        step_seconds=spec.step_seconds,
        clip_seconds=spec.clip_seconds,
        view=spec.view,
        id_rule=options.id_rule,
        manifest=options.manifest,
        retry_failed=True,
    )
