"""Rendered videos with their scenes, as ``tsmfeat demo --size benchmark`` leaves them, for the study of scenes."""

import json
from pathlib import Path

from scene_embeddings import Videos

from tsmfeat.formats.reading import read_annotations
from tsmfeat.store.reader import open_features
from tsmfeat.values.annotations import Annotations
from tsmfeat.workflows.inference import gather_features

VIEW, STEP = "panoramic", 0.5
PILOT = "validation"


def read_rendered(folder: Path) -> tuple[float, Videos, Videos]:
    """Return the scene information, the pilot videos (the validation subset) and the other videos of a folder.

    Raises
    ------
    SystemExit
        The folder holds no features of the view and the step that are studied.
    """
    bits = float(json.loads((folder / "rendered.json").read_text())["scene_information"])
    truth = read_annotations(folder / "annotations.json")
    is_pilot = [subset == PILOT for subset in truth.subset]
    parts = [[place for place, pilot in enumerate(is_pilot) if pilot == wanted] for wanted in (True, False)]
    path = _find_store(folder)
    pilot, others = (_gather(path, truth.select_videos(places)) for places in parts)
    return bits, pilot, others


def _find_store(folder: Path) -> Path:
    for path in sorted(folder.glob("features-trunk/*.h5")):
        with open_features(path) as store:
            if (store.spec.step_seconds, store.spec.view) == (STEP, VIEW) and "narrow" in store.spec.trunk:
                return path
    raise SystemExit(f"{folder}: holds no features of {VIEW} at {STEP:g} s; make them with tsmfeat demo")


def _gather(path: Path, truth: Annotations) -> Videos:
    with open_features(path) as store:
        found = gather_features(store, truth.video_ids)
    return Videos(found.embeddings, found.row_offset, found.step_seconds, truth)
