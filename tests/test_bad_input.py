"""What users get wrong, through the commands: one error, its rule and remedy, the exit code, and nothing half-written.

A row is a mistake: the words of the command, the exit code, and what must be said. More of each kind, in detail, is in
the tests of the part it concerns.
"""

import json
import os
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
from factories_video import cut, make_video
from factories_videos import built_once, write_tiny_videos
from factories_workflows import make_database, perfect_results, write_database, write_predictions_file
from typer.testing import CliRunner

from tsmfeat.store.folders import output_files
from tsmfeat_cli.main import app

__all__ = ["built_once"]

TINY = ["--trunk", "resnet18", "--num-frames", "2", "--resize", "square32", "--workers", "1", "--device", "cpu"]
EXTRACT = [*TINY, "--checkpoint", "random:0"]


class Mistake(NamedTuple):
    """What is done, and what must come of it; `{...}` stands for a file of the workshop."""

    words: str
    code: int
    said: tuple[str, ...]
    hinted: str


class Workshop:
    """A folder with good files and bad ones, made when they are first named."""

    def __init__(self, folder):
        self.folder = folder
        self.database = make_database()

    def __getitem__(self, name):
        path = self.folder / name
        maker = getattr(self, "make_" + name.replace(".", "_").replace("-", "_"), None)
        if maker is not None and not path.exists():
            maker(path)
        return path

    # -- good ones

    def make_videos(self, path):
        write_tiny_videos(path, 2)

    def make_features_h5(self, path):
        done = call("extract", self["videos"], "-o", path, *EXTRACT)
        assert done.exit_code == 0, done.stderr

    def make_other_h5(self, path):
        assert call("extract", self["videos"], "-o", path, *EXTRACT, "-t", "0.25").exit_code == 0

    def make_gt_json(self, path):
        database = {
            name: {
                "subset": "training",
                "duration": 1.0 + index / 2,
                "annotations": [{"label": "run", "segment": [0, 1]}],
            }
            for index, name in enumerate(("clip0", "clip1"))
        }
        write_database(path, database)

    def make_heads_safetensors(self, path):
        words = ["--annotations", self["gt.json"], "--epochs", "1", "-o", path]
        done = call("fit-heads", self["features.h5"], *words)
        assert done.exit_code == 0, done.stderr

    def make_found_json(self, path):
        write_predictions_file(path, perfect_results(self.database))

    def make_truth_json(self, path):
        write_database(path, self.database)

    # -- bad ones

    def make_no_videos(self, path):
        path.mkdir()
        (path / "notes.txt").write_text("none\n")
        (path / "picture.png").write_bytes(b"\x89PNG\r\n")

    def make_empty_mp4(self, path):
        path.touch()

    def make_text_mp4(self, path):
        path.write_text("no film")

    def make_folder_mp4(self, path):
        path.mkdir()

    def make_pipe_mp4(self, path):
        os.mkfifo(path)

    def make_half_mp4(self, path):
        cut(
            make_video(path.with_name("whole.mp4"), range(200), container_options={"movflags": "faststart"}), 0.6
        ).rename(path)

    def make_sound_mp4(self, path):
        with av.open(str(path), "w") as container:
            stream = container.add_stream("aac", rate=16_000, layout="mono")
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            silence.sample_rate = 16_000
            container.mux([*stream.encode(silence), *stream.encode()])

    def make_huge_mkv(self, path):
        with av.open(str(path), "w") as container:
            stream = container.add_stream("rawvideo", rate=30)
            stream.width, stream.height, stream.pix_fmt = 320, 256, "gray"
            container.mux([*stream.encode(av.VideoFrame(320, 256, "gray")), *stream.encode()])
        # The header's width and height, two bytes each.
        content = path.read_bytes().replace(b"\xb0\x82\x01\x40", b"\xb0\x82" + (20_000).to_bytes(2, "big"))
        path.write_bytes(content.replace(b"\xba\x82\x01\x00", b"\xba\x82" + (9_000).to_bytes(2, "big")))

    def make_half_h5(self, path):
        path.write_bytes(self["features.h5"].read_bytes()[:-700])

    def make_flipped_h5(self, path):
        content = bytearray(self["features.h5"].read_bytes())
        content[-900] ^= 4
        path.write_bytes(content)

    def make_anybodys_h5(self, path):
        path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(4000))

    def make_half_json(self, path):
        path.write_text(self["gt.json"].read_text()[:60])

    def make_wrong_json(self, path):
        entries = [
            {"label": "run", "segment": [3, 1]},
            {"label": "run", "segment": [1, "x"]},
            {"label": "", "segment": [0, 1]},
        ]
        path.write_text(json.dumps({"database": {"a": {"subset": "s", "duration": 9, "annotations": entries}}}))

    def make_bomb_pth(self, path):
        marker = self.folder / "the-bomb-went-off"
        path.write_bytes(b"cos\nsystem\n(S'touch %s'\ntR." % str(marker).encode())

    def make_half_pth(self, path):
        path.write_bytes(b"PK\x03\x04" + bytes(300))

    def make_classes_txt(self, path):
        path.write_text("runs\neat\n")

    def make_list_txt(self, path):
        path.write_text("nowhere.mp4\n")


def call(*words):
    return CliRunner().invoke(app, [str(word) for word in words], prog_name="tsmfeat")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return Workshop(tmp_path_factory.mktemp("workshop"))


REFUSED = {
    "no video in the folder": Mistake("extract {no_videos} -o {out.h5} X", 2, ("no video in",), "name video files"),
    "no such folder": Mistake("extract {nowhere} -o {out.h5} X", 4, ("no such file or folder",), "check the path"),
    "an unknown trunk": Mistake("extract {videos} -o {out.h5} --trunk resnet81 --checkpoint random:0", 2,
                                ("trunk 'resnet81'",), "did you mean 'resnet18'?"),
    "no checkpoint": Mistake("extract {videos} -o {out.h5}", 2, ("no checkpoint given",), "random:0"),
    "a checkpoint that is code": Mistake("extract {videos} -o {out.h5} T --checkpoint {bomb.pth}", 4,
                                         ("bomb.pth",), ""),
    "half a checkpoint": Mistake("extract {videos} -o {out.h5} T --checkpoint {half.pth}", 4, ("damaged",), "again"),
    "a video as checkpoint": Mistake("extract {videos} -o {out.h5} T --checkpoint {text.mp4}", 4,
                                     ("neither a torch file nor safetensors",), ""),
    "heads as checkpoint": Mistake("extract {videos} -o {out.h5} T --checkpoint {heads.safetensors}", 4,
                                   ("heads.safetensors",), ""),
    "an output of another spec": Mistake("extract {videos} -o {features.h5} X -t 0.25", 6,
                                         ("step_seconds: 0.5 / 0.25",), "another output"),
    "an output that is somebody's": Mistake("extract {videos} -o {anybodys.h5} X", 2, ("no feature store",), "-o"),
    "annotations that are no file": Mistake("fit-heads {features.h5} --annotations {nowhere.json}", 4,
                                            ("cannot be read",), "check the path"),
    "half of the annotations": Mistake("fit-heads {features.h5} --annotations {half.json}", 4, ("not JSON",), "whole"),
    "annotations that break rules": Mistake("score {found.json} --annotations {wrong.json} --strict", 4,
                                            ("annotations[0]", "annotations[1]", "annotations[2]"), "mend the file"),
    "a store as annotations": Mistake("fit-heads {features.h5} --annotations {features.h5}", 4, ("HDF5",), ""),
    "annotations as a store": Mistake("fit-heads {gt.json} --annotations {gt.json}", 4, ("gt.json",), ""),
    "predictions as annotations": Mistake("score {found.json} --annotations {found.json}", 4,
                                          ("database",), "exchanged"),
    "half a store": Mistake("fit-heads {half.h5} --annotations {gt.json}", 4, ("half.h5",), ""),
    "a flipped bit in a store": Mistake("fit-heads {flipped.h5} --annotations {gt.json}", 4, ("clip1",), ""),
    "heads of other features": Mistake("score {heads.safetensors} --features {other.h5} --annotations {gt.json}", 6,
                                       ("step_seconds: 0.5 / 0.25",), "fitted on"),
    "heads without features": Mistake("score {heads.safetensors} --annotations {gt.json}", 2, ("no store is named",),
                                      "--features"),
    "an unknown subset": Mistake("score {found.json} --annotations {truth.json} --subset testin", 2, ("'testin'",),
                                 "did you mean 'testing'?"),
    "an unknown protocol": Mistake("score {found.json} --annotations {truth.json} --subset testing --protocol papr", 2,
                                   ("papr",), "did you mean 'paper'?"),
    "a class that is not listed": Mistake("score {found.json} --annotations {truth.json} --classes {classes.txt}", 4,
                                          ("'run'", "did you mean 'runs'?"), "mend the file"),
    "a store as a source": Mistake("score {features.h5} --annotations {gt.json}", 4,
                                   ("a feature store",), "--features"),
    "nothing to inspect": Mistake("inspect {nowhere.h5}", 4, ("nowhere.h5",), ""),
    "half a store to inspect": Mistake("inspect {half.h5}", 4, ("half.h5",), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_mistake_is_refused_in_words_and_leaves_nothing(workshop, name):
    mistake = REFUSED[name]
    words = fill(workshop, mistake.words)
    before = listing(workshop.folder)
    done = call(*words)
    assert done.exit_code == mistake.code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = done.stderr.splitlines()
    (error,) = (line for line in lines if line.startswith("error: "))
    (hint,) = (line for line in lines if line.startswith("hint: "))
    assert all(part in error for part in mistake.said), error
    assert mistake.hinted in hint
    assert listing(workshop.folder) == before


def fill(workshop, text):
    """Return the words of a command, files made and named."""
    words = []
    for word in text.split():
        if word in ("X", "T"):
            words += EXTRACT if word == "X" else TINY
        elif word.startswith("{"):
            words.append(str(workshop[word.strip("{}")]))
        else:
            words.append(word)
    return words


def listing(folder):
    """Return every file below a folder with its size: what a refused command must leave as it was."""
    return {str(path): path.lstat().st_size for path in sorted(Path(folder).rglob("*"))}


FAILED_VIDEOS = {
    "empty.mp4": "0 bytes; a video cannot be empty",
    "text.mp4": "not a readable video",
    "half.mp4": "truncated: the file holds",
    "sound.mp4": "no video stream",
    "pipe.mp4": "a pipe, socket or device; a video is a regular file",
    "huge.mkv": "frames of 20000×9000; at most 134,217,728 pixels",
}


def test_bad_videos_fail_alone_and_are_listed(workshop, tmp_path):
    out = tmp_path / "x.h5"
    bad = [workshop[name] for name in FAILED_VIDEOS]
    done = call("extract", workshop["videos"], *bad, workshop["list.txt"], "-o", out, *EXTRACT, "--json")
    assert done.exit_code == 3
    report = json.loads(done.stdout)
    assert (report["num_done"], report["num_failed"]) == (2, len(FAILED_VIDEOS) + 1)
    reasons = {Path(entry["path"]).name: entry["reason"] for entry in report["failed"]}
    for name, reason in {**FAILED_VIDEOS, "nowhere.mp4": "no such file"}.items():
        assert reason in reasons[name], reasons[name]
    listed = (tmp_path / "x.failures.csv").read_text()
    assert all(Path(name).stem in listed for name in FAILED_VIDEOS)
    assert [path.name for path in output_files(out)] == ["x.h5"]
    # The good ones are kept and the bad ones are not tried again.
    again = call("extract", workshop["videos"], *bad, "-o", out, *EXTRACT, "--json")
    assert again.exit_code == 3
    assert json.loads(again.stdout)["num_skipped"] == 2


def test_a_folder_named_like_a_video(workshop, tmp_path):
    done = call("extract", workshop["folder.mp4"], "-o", tmp_path / "x.h5", *EXTRACT)
    assert done.exit_code == 2
    assert "no video in" in done.stderr


def test_the_bomb_never_went_off(workshop):
    call(*fill(workshop, REFUSED["a checkpoint that is code"].words))
    assert workshop["bomb.pth"].exists()
    assert not (workshop.folder / "the-bomb-went-off").exists()


@pytest.mark.parametrize("place", ["deep/er/x.h5", "file/x.h5"])
def test_where_nothing_can_be_written(workshop, tmp_path, place):
    (tmp_path / "file").write_text("in the way")
    done = call("extract", workshop["videos"], "-o", tmp_path / place, *EXTRACT)
    assert done.exit_code == (0 if place.startswith("deep") else 7), done.stderr
    assert (tmp_path / "file").read_text() == "in the way"
