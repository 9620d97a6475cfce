"""Extraction on Ray: the same features as on this machine, whatever dies; and the errors without a cluster."""

import importlib.util
import os
import re
import signal
from collections import Counter

import pytest
from factories_videos import Listener, stored_checksums, tiny_options, write_tiny_videos
from typer.testing import CliRunner

from tsmfeat.errors import ConfigurationError, EnvironmentLackError
from tsmfeat.store.folders import files_in
from tsmfeat.store.validation import read_index
from tsmfeat.workflows import extract
from tsmfeat.workflows.failures import load_failures
from tsmfeat.workflows.ray_engine import with_absolute_paths
from tsmfeat_cli.main import app

NUM_VIDEOS = 100
# Batches of one clip: whichever videos meet in a worker, every clip is computed alone, so that features are equal to
# the last bit. Larger batches differ in the last bits of fp32 by who else is in the batch.
ALONE = {"batch_size": 1}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """A hundred names of four files, and one that is no video."""
    folder = tmp_path_factory.mktemp("videos")
    files = write_tiny_videos(folder / "files", 4)
    for index in range(NUM_VIDEOS):
        os.link(files[index % 4], folder / f"v{index:03}.mp4")
    (folder / "broken.mp4").write_bytes(b"no video")
    for file in files:
        file.unlink()
    return folder


class Killer(Listener):
    """Kills the first worker when some videos are done."""

    def __init__(self, after):
        super().__init__()
        self.after, self.pids, self.killed = after, [], None

    def note(self, message):
        super().note(message)
        if found := re.match(r"worker \d+ of \d+: .*process (\d+)", message):
            self.pids.append(int(found[1]))

    def advance(self, amount=1.0, detail=""):
        super().advance(amount, detail)
        if self.killed is None and len(self.done) >= self.after:
            self.killed = self.pids[0]
            os.kill(self.killed, signal.SIGKILL)


def stored_times(folder):
    """Return how often each video is stored, over all parts."""
    return Counter(video_id for path in files_in(folder) for video_id in read_index(path).video_ids)


@pytest.mark.golden
def test_two_actors_one_killed_give_every_video_once_and_the_features_of_a_local_run(tmp_path, videos, capfd):
    pytest.importorskip("ray")
    extract([str(videos)], tmp_path / "local", tiny_options(**ALONE))
    listener = Killer(after=10)
    options = tiny_options(engine="ray", num_actors=2, **ALONE)
    report = extract([str(videos)], tmp_path / "x", options, listener)
    assert listener.killed is not None
    assert len(set(listener.pids)) == 3
    assert any("was lost" in warning for warning in listener.warnings)
    assert (report.num_videos, report.num_done, report.num_failed) == (NUM_VIDEOS + 1, NUM_VIDEOS, 1)
    expected = stored_checksums(tmp_path / "local")
    assert stored_checksums(tmp_path / "x") == expected
    assert len(expected) == NUM_VIDEOS
    assert report.num_intervals == 25 * (2 + 3 + 4 + 5)
    assert sorted(listener.done) == sorted([*expected, "broken"])
    assert set(load_failures(tmp_path / "x" / "failures.csv")) == {"broken"}
    # A video that was stored by the killed worker is not made again.
    assert set(stored_times(tmp_path / "x").values()) == {1}
    assert not [path for path in (tmp_path / "x").iterdir() if path.suffix not in (".h5", ".csv")]
    # Any engine resumes what another left.
    again = extract([str(videos)], tmp_path / "x", tiny_options(**ALONE))
    assert (again.num_done, again.num_skipped) == (0, NUM_VIDEOS)
    assert capfd.readouterr().out == ""


@pytest.mark.golden
def test_a_signal_publishes_what_is_complete_and_ray_resumes_what_this_machine_left(tmp_path, videos):
    pytest.importorskip("ray")
    extract([str(videos / f"v{index:03}.mp4") for index in range(10)], tmp_path / "x.h5", tiny_options(**ALONE))
    (tmp_path / "x.h5").rename(tmp_path / "x.parts.h5")
    (tmp_path / "x.parts").mkdir()
    (tmp_path / "x.parts.h5").rename(tmp_path / "x.parts" / "part-a.h5")
    listener = Listener()
    options = tiny_options(engine="ray", **ALONE)
    stopped = extract([str(videos)], tmp_path / "x.h5", options, listener, lambda: len(listener.done) > 5)
    assert stopped.stopped
    assert stopped.num_skipped == 10
    assert not (tmp_path / "x.h5").exists()
    assert stopped.num_done == sum(stored_times(tmp_path / "x.parts").values()) - 10
    assert 0 < stopped.num_done < NUM_VIDEOS - 10
    words = ["extract", videos, "-o", tmp_path / "x.h5", "--engine", "ray", "--trunk", "resnet18", "--checkpoint"]
    words += ["random:0", "--num-frames", "2", "--resize", "square32", "--device", "cpu", "--batch-size", "1"]
    done = CliRunner().invoke(app, [*map(str, words), "--json"])
    assert done.exit_code == 3, done.output
    assert done.stdout.startswith('{"out": ')
    assert f'"num_skipped": {10 + stopped.num_done}' in done.stdout
    extract([str(videos)], tmp_path / "local.h5", tiny_options(**ALONE))
    assert stored_checksums(tmp_path / "x.h5") == stored_checksums(tmp_path / "local.h5")


def test_without_the_extra_it_says_how_to_get_it(tmp_path, videos, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "ray" else real(name))
    with pytest.raises(EnvironmentLackError, match="Ray is not installed") as caught:
        extract([str(videos)], tmp_path / "x", tiny_options(engine="ray"))
    assert caught.value.hint == 'pip install "tsmfeat[ray]"'
    assert list(tmp_path.iterdir()) == []


def test_workers_are_told_where_files_lie_whatever_folder_they_run_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "videomae").mkdir(parents=True)
    (tmp_path / "a.pth").write_bytes(b"")
    told = {
        ("hf:models/videomae", "pretrained"): (f"hf:{tmp_path}/models/videomae", "pretrained"),
        ("hf:owner/name", "random:1"): ("hf:owner/name", "random:1"),
        ("timm:models", "a.pth"): ("timm:models", f"{tmp_path}/a.pth"),
        ("resnet18", "random:0"): ("resnet18", "random:0"),
    }
    for (trunk, checkpoint), wanted in told.items():
        options = with_absolute_paths(tiny_options(trunk=trunk, checkpoint=checkpoint))
        assert [(each.trunk, each.checkpoint) for each in options.trunks] == [wanted]


@pytest.mark.parametrize(
    "options", [{"engine": "slurm"}, {"num_actors": 2}, {"engine": "ray", "num_actors": 0}, {"engine": "Ray"}]
)
def test_engines_and_actors_are_checked_when_options_are_made(options):
    with pytest.raises(ConfigurationError):
        tiny_options(**options)
