"""What a store, or the parts of a running extract, hold."""

from pathlib import Path
from typing import Any

from tsmfeat.errors import StoreError
from tsmfeat.store.folders import is_packed_output, output_files, parts_folder
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
        if not files and is_packed_output(Path(path)) and parts_folder(Path(path)).is_dir():
            raise StoreError(
                f"{path}: its extraction has stored nothing yet; videos show up a part at a time",
                "look again in half a minute",
            )
        try:
            with open_features(files or path) as store:
                return describe_store(store)
        except StoreError:
            # A running extract may have packed the parts since they were listed.
            if output_files(Path(path)) == files:
                raise
