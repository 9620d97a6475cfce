"""Stores opened by what they hold: all files of one spec as one, and one store a view for heads that join views."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from tsmfeat.errors import ConfigurationError, SpecMismatchError, did_you_mean
from tsmfeat.store.folders import expand_paths
from tsmfeat.store.reader import FeatureStore, open_features
from tsmfeat.store.validation import read_index
from tsmfeat.values.features import FeatureSpec
from tsmfeat.values.progress import Progress


def open_by_spec(files: Sequence[Path], stack: ExitStack) -> tuple[FeatureStore, ...]:
    """Open store files, all those of one spec as one store.

    Parameters
    ----------
    files
        In the order in which their specs are returned.
    stack
        Closes the stores.
    """
    grouped: dict[FeatureSpec, list[Path]] = {}
    for file in files:
        grouped.setdefault(read_index(file).spec, []).append(file)
    return tuple(stack.enter_context(open_features(paths)) for paths in grouped.values())


def open_views(
    features: str | Path | Sequence[str | Path], views: Sequence[str], stack: ExitStack, progress: Progress
) -> tuple[FeatureStore, ...]:
    """Open the stores that heads are fitted on: one, or one a view.

    Parameters
    ----------
    features
        Store files and folders of parts.
    views
        Names of views, as in `FeatureSpec.view`, in any order; empty: all files are one store.
    stack
        Closes the stores.
    progress
        Told of stores that are left aside.

    Returns
    -------
    tuple of FeatureStore
        In the order of the views' names: whoever names them in another order gets the same heads.

    Raises
    ------
    ConfigurationError
        A view is named twice, or no store shows it.
    SpecMismatchError
        Several kinds of features show a view, or the views have different steps.
    StoreError
        A file is missing or damaged.
    """
    if not views:
        return (stack.enter_context(open_features(features)),)
    if len(set(views)) != len(views):
        raise ConfigurationError(f"views {','.join(views)}: one is named twice", "name each view once")
    stores = open_by_spec(expand_paths(features), stack)
    chosen = tuple(_store_of_view(view, stores) for view in sorted(views))
    _require_one_step(chosen)
    for store in stores:
        if store not in chosen:
            progress.note(f"{store.files[0]}: shows the view {store.spec.view!r}; it is left aside")
    return chosen


def _store_of_view(view: str, stores: Sequence[FeatureStore]) -> FeatureStore:
    matching = [store for store in stores if store.spec.view == view]
    if not matching:
        known = sorted({store.spec.view for store in stores})
        listed = ", ".join(repr(name) if name else "no view by name" for name in known)
        remedy = did_you_mean(view, known) or f"add the store of this view: tsmfeat extract --view {view or 'NAME'}"
        raise ConfigurationError(f"view {view!r}: the stores show {listed}", remedy)
    if len(matching) > 1:
        names = " and ".join(str(store.files[0]) for store in matching[:2])
        differing = "; ".join(matching[0].spec.differences(matching[1].spec))
        raise SpecMismatchError(
            f"view {view!r}: shown by {len(matching)} kinds of features ({names}: {differing}); one of each is joined",
            "name one of them",
        )
    return matching[0]


def _require_one_step(stores: Sequence[FeatureStore]) -> None:
    if len({store.spec.step_seconds for store in stores}) > 1:
        listed = "; ".join(f"{store.spec.view} {store.spec.step_seconds:g} s ({store.files[0]})" for store in stores)
        raise SpecMismatchError(
            f"views of different steps: {listed}; views are joined interval by interval",
            "extract them with one step, or fit heads on each and fuse them: tsmfeat score A B",
        )
