"""Where test data lies, and how the suite treats what is absent."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"
SHARED = Path(os.environ.get("TSMFEAT_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Return the path of a file or folder of the shared data, or skip the test where it is absent."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"{name} is not in the shared test data (TSMFEAT_TEST_DATA)")
        return path

    return find


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave large inputs and whole command chains to the jitted run: once is enough, and without the jit slow."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") == "1":
        for item in items:
            if item.get_closest_marker("golden"):
                item.add_marker(pytest.mark.skip(reason="large input or command chain: jitted run only"))
