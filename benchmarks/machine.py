"""What a result was measured on; neither the machine's name nor a path is told."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = (
    "tsmfeat",
    "numpy",
    "numba",
    "llvmlite",
    "torch",
    "torchvision",
    "h5py",
    "av",
    "decord",
    "pillow",
    "msgspec",
    "pandas",
)
SETTINGS = ("OPENBLAS_CORETYPE", "OMP_NUM_THREADS", "NUMBA_DISABLE_JIT")


def describe_machine() -> dict[str, object]:
    """Return processor, cores, memory, kernel, Python, load, and the settings that change speed."""
    return {
        "cpu": _first_of(Path("/proc/cpuinfo"), "model name"),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)),
        "memory_kib": int(_first_of(Path("/proc/meminfo"), "MemTotal").split()[0] or 0),
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load_average": os.getloadavg()[0],
        "settings": {name: os.environ.get(name) for name in SETTINGS},
    }


def list_versions() -> dict[str, str]:
    """Return the versions of the packages that take part, as far as they are installed."""
    return {name: found for name in PACKAGES if (found := _version_of(name))}


def current_date() -> str:
    """Return the date, UTC."""
    return datetime.now(UTC).date().isoformat()


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _first_of(path: Path, key: str) -> str:
    for line in path.read_text().splitlines() if path.exists() else ():
        if line.startswith(key):
            return line.partition(":")[2].strip()
    return "0"
