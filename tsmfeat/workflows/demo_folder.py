"""The folder of a demo: what an equal run left is used again, and nothing that a user made is touched."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tsmfeat.errors import ConfigurationError
from tsmfeat.files import make_folder, remove_file, write_text
from tsmfeat.values.progress import Progress

# What must not outlive the videos it was made with.
_MADE = (
    "annotations.json",
    "manifest.csv",
    "videos/*.mp4",
    "features-shift-*.h5",
    "features-shift-*.parts/*.h5",
    "features-trunk/*.h5",
    "features-trunk/*.parts/*.h5",
    "features-trained/*.h5",
    "features-trained/*.parts/*.h5",
)


@dataclass(frozen=True)
class DemoFiles:
    """Where the demo's input lies.

    Parameters
    ----------
    videos
        Folder of MP4 files.
    annotations
        ActivityNet JSON with subsets and scenes.
    num_videos
        Their number.
    """

    videos: Path
    annotations: Path
    num_videos: int


def keep_or_render(
    folder: Path, recipe: str, paths: Sequence[Path], render: Callable[[], None], progress: Progress
) -> None:
    """Render videos and all that goes with them, unless an earlier run of the same recipe left them.

    Parameters
    ----------
    folder
        Of the demo; gets ``rendered.json``, the recipe, and the folder ``videos/``.
    recipe
        Everything that decides what is rendered, as JSON.
    paths
        What has to be there.
    render
        Makes them.
    progress
        Told if nothing is to be done.

    Raises
    ------
    ConfigurationError
        The folder holds files of these names that no demo made.
    OutputError
        The folder cannot be written.
    """
    receipt = folder / "rendered.json"
    if receipt.exists() and receipt.read_text() == recipe and all(path.exists() for path in paths):
        progress.note(f"{folder / 'videos'}: already rendered")
        return
    _make_room(folder, receipt)
    render()
    write_text(receipt, recipe)  # last: it says that all the rest is there


def _make_room(folder: Path, receipt: Path) -> None:
    """Remove what an earlier demo made of other videos: its features would be taken for those of the new ones."""
    made = [path for pattern in _MADE for path in sorted(folder.glob(pattern))]
    if made and not receipt.exists():
        raise ConfigurationError(f"{made[0]}: not made by a demo, and not to be overwritten", "choose another -o")
    for path in made:
        remove_file(path)
    make_folder(folder / "videos")
    write_text(receipt, "unfinished\n")
