"""What a store, or the parts of a running extract, hold."""

from pathlib import Path
from typing import Any

from tsmfeat.errors import StoreError
from tsmfeat.store.folders import output_files
from tsmfeat.store.packing import describe_store
from tsmfeat.store.reader import open_features


def inspect(path: str | Path) -> dict[str, Any]:
    """Describe a feature store.

    Parameters
    ----------
    path
        A store file, a folder of parts, or the ``X.h5`` of an extract that is still running or was stopped: its
        parts are read then.

    Returns
    -------
    dict
        The JSON object of ``tsmfeat inspect --json``.

    Raises
    ------
    StoreError
        Missing, empty or damaged.
    """
    while True:
        files = output_files(Path(path))
        try:
            with open_features(files or path) as store:
                return describe_store(store)
        except StoreError:
            # A running extract may have packed the parts since they were listed.
            if output_files(Path(path)) == files:
                raise
