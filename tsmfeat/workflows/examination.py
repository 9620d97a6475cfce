"""What this machine has and lacks for the work, and whether its decoders agree on a video."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from tsmfeat.errors import EnvironmentLackError, VideoError
from tsmfeat.video.options import resolve_workers

Status = Literal["ok", "note", "lacks"]

# Each runs in an interpreter of its own: a broken library may crash the process that loads it.
_PROBES = {
    "PyAV": "import av; print('FFmpeg', av.ffmpeg_version_info, '- decodes', "
    "', '.join(sorted({'h264', 'hevc', 'vp9', 'av1', 'mpeg4'} & av.codecs_available)))",
    "decord": "from tsmfeat.video.decord_decoding import load_decord; print(load_decord().__version__)",
    "torchcodec": "from tsmfeat.video.torchcodec_decoding import load_torchcodec; print(load_torchcodec().__version__)",
    "HDF5": "import h5py; print(h5py.version.hdf5_version)",
    "kernels": "import numba; from tsmfeat.kernels.overlap import tiou; tiou(0.0, 2.0, 1.0, 3.0); "
    "print('numba', numba.__version__, 'compiles them')",
    "device": "import torch; n = torch.cuda.device_count() if torch.cuda.is_available() else 0; "
    "print(', '.join(torch.cuda.get_device_name(i) for i in range(n)) or 'no CUDA device: the CPU is used')",
    "checkpoints": "import torch; from pathlib import Path; p = Path(torch.hub.get_dir()) / 'checkpoints'; "
    "names = sorted(path.name for path in p.glob('*.pth')); print(', '.join(names) or 'none', 'in', p)",
}
_HINTS = {
    "PyAV": "pip install av",
    "decord": "pip install decord (decord2 on ARM and macOS); without it PyAV reads everything",
    "torchcodec": 'optional: pip install "tsmfeat[gpu]", and FFmpeg\'s shared libraries (apt-get install ffmpeg)',
    "HDF5": "pip install h5py",
    "kernels": "pip install --force-reinstall numba numpy",
    "device": "install torch anew; on machines without a GPU from PyTorch's CPU index",
    "checkpoints": "nothing is downloaded: put torchvision's files there for --checkpoint imagenet",
}
_PACKAGES = (
    *("tsmfeat", "torch", "torchvision", "numpy", "numba", "h5py"),
    *("av", "decord", "decord2", "torchcodec", "pillow", "typer"),
)
_OPTIONAL = ("decord", "decord2", "torchcodec")
# What an extra brings, and what it is for.
_EXTRAS = {"timm": ("timm", "trunks timm:NAME"), "hf": ("transformers", "trunks hf:NAME")}
_PROBE_SECONDS = 120.0
_VIDEO_SECONDS = 600.0
_LITTLE_DISK_BYTES = 10 << 30
_LITTLE_MEMORY_BYTES = 4 << 30
_COMPARE = "from tsmfeat.video.comparison import run_comparison; run_comparison()"


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Parameters
    ----------
    name
        What.
    status
        ``"ok"``, ``"note"`` (it works, but) or ``"lacks"`` (it does not).
    found, hint
        What there is, and the remedy.
    """

    name: str
    status: Status
    found: str
    hint: str = ""


@dataclass(frozen=True)
class Comparison:
    """A decoder's reading of a video beside PyAV's.

    Parameters
    ----------
    decoder
        Its name.
    num_frames
        That came out.
    num_equal
        Frames equal bit for bit to PyAV's of the same number.
    first_difference
        The first frame that is not; None where all are.
    seconds
        CPU time.
    error
        Why it stopped; empty at the end of the file.
    """

    decoder: str
    num_frames: int
    num_equal: int
    first_difference: int | None
    seconds: float
    error: str


@dataclass(frozen=True)
class Examination:
    """What `doctor` found.

    Parameters
    ----------
    checks
        Of the machine.
    video
        Facts of the video; empty where none was named.
    comparisons
        Its decoders.
    """

    checks: tuple[Check, ...]
    video: dict[str, Any]
    comparisons: tuple[Comparison, ...]

    @property
    def lacks(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.status == "lacks")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``tsmfeat doctor --json``."""
        return {
            "checks": [asdict(check) for check in self.checks],
            "video": self.video or None,
            "comparisons": [asdict(comparison) for comparison in self.comparisons],
        }


def doctor(video: str | Path | None = None) -> Examination:
    """Look this machine over; with a video, also compare the decoders on it frame by frame.

    Parameters
    ----------
    video
        A file; None: the machine alone.

    Returns
    -------
    Examination

    Raises
    ------
    VideoError
        The file is no readable video.
    """
    checks = (*_check_packages(), _check_extras(), *_check_libraries(), *_check_resources())
    if video is None:
        return Examination(checks, {}, ())
    facts = _ask(video, "facts")
    decoders = ("pyav", "decord", "torchcodec") if _version("torchcodec") else ("pyav", "decord")
    readings = {decoder: _ask(video, decoder) for decoder in decoders}
    comparisons = tuple(_compare(name, reading, readings["pyav"]) for name, reading in readings.items())
    return Examination(checks, {"path": str(video), **facts}, comparisons)


def _check_packages() -> list[Check]:
    python = ".".join(map(str, sys.version_info[:3]))
    versions = [f"{name} {found}" for name in _PACKAGES if (found := _version(name))]
    missing = [name for name in _PACKAGES if not _version(name) and name not in _OPTIONAL]
    if missing:
        packages = Check("packages", "lacks", f"{', '.join(missing)} not installed", "pip install tsmfeat")
    else:
        packages = Check("packages", "ok", ", ".join(versions))
    return [Check("Python", "ok", f"{python} on {sys.platform}"), packages]


def _check_extras() -> Check:
    """Say which optional libraries are there; lacking one is no fault."""
    there = [f"{package} {found}" for package, _ in _EXTRAS.values() if (found := _version(package))]
    lacking = {extra: use for extra, (package, use) in _EXTRAS.items() if not _version(package)}
    hint = f'pip install "tsmfeat[{",".join(lacking)}]" brings {", ".join(lacking.values())}' if lacking else ""
    return Check("extras", "note" if lacking else "ok", ", ".join(there) or "none", hint)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _check_libraries() -> list[Check]:
    running = {name: _start(["-c", code]) for name, code in _PROBES.items()}
    return [_judge_library(name, process) for name, process in running.items()]


def _judge_library(name: str, process: "subprocess.Popen[str]") -> Check:
    out, error = _finish(process, _PROBE_SECONDS)
    if process.returncode == 0:
        found = out.strip()
        return Check(name, "note", found, _HINTS[name]) if found.startswith("none") else Check(name, "ok", found)
    how = error.strip().splitlines()[-1] if error.strip() else f"it ended with {process.returncode}"
    return Check(name, "note" if name in _OPTIONAL else "lacks", f"cannot be used: {how}", _HINTS[name])


def _check_resources() -> list[Check]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    free = shutil.disk_usage(Path.cwd()).free
    return [
        Check("CPU", "ok", f"{resolve_workers(None)} usable cores: so many readers by default"),
        _amount("memory", memory, _LITTLE_MEMORY_BYTES, "use --workers 1 and a smaller --batch-size"),
        _amount("disk", free, _LITTLE_DISK_BYTES, "4 kB an interval: see that the features fit, or use another folder"),
    ]


def _amount(name: str, num_bytes: int, little: int, hint: str) -> Check:
    found = f"{num_bytes / 1e9:,.1f} GB"
    return Check(name, "note", found, hint) if num_bytes < little else Check(name, "ok", found)


def _ask(video: str | Path, what: str) -> dict[str, Any]:
    """Ask a process of its own about a video; a crash or a hang of it is an answer too."""
    process = _start(["-c", _COMPARE, str(video), what])
    out, _ = _finish(process, _VIDEO_SECONDS)
    found: dict[str, Any] = json.loads(out) if process.returncode == 0 and out else {}
    if what == "facts" and "exit_code" in found:
        raise VideoError(found["error"], found["hint"])
    if found:
        return found
    how = "no end within ten minutes" if process.returncode == -9 else f"its process ended with {process.returncode}"
    return {"error": how}


def _compare(name: str, reading: dict[str, Any], reference: dict[str, Any]) -> Comparison:
    ours, theirs = reading.get("checksums", []), reference.get("checksums", [])
    equal = [a == b for a, b in zip(ours, theirs, strict=False)]
    first = equal.index(False) if False in equal else None
    if first is None and len(ours) != len(theirs):
        first = min(len(ours), len(theirs))
    return Comparison(name, len(ours), sum(equal), first, reading.get("seconds", 0.0), reading.get("error", ""))


def _start(arguments: Sequence[str]) -> "subprocess.Popen[str]":
    # The child finds what this process finds, also in a checkout that is not installed.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        return subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
    except OSError as error:
        raise EnvironmentLackError(f"{sys.executable} cannot be started ({error.strerror})", "free memory") from error


def _finish(process: "subprocess.Popen[str]", timeout_seconds: float) -> tuple[str, str]:
    try:
        return process.communicate(timeout=timeout_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()
