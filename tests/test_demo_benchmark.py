"""The benchmark's demo: its files, its trunk, and its commands on videos of a few seconds."""

import csv
import json
import shlex
from dataclasses import replace

import numpy as np
import pytest
import torch
from factories_heads import Recorder
from typer.testing import CliRunner

from tsmfeat.errors import ConfigurationError
from tsmfeat.files import read_header, sha256_file
from tsmfeat.formats.reading import read_annotations
from tsmfeat.rendered_benchmark.actions import ACTION_PAIRS, ACTIONS, SCENES
from tsmfeat.rendered_benchmark.drawing import render_view
from tsmfeat.rendered_benchmark.scripts import ScriptOptions, annotate_benchmark, write_benchmark_scripts
from tsmfeat.trunk.loading import load_trunk
from tsmfeat.trunk.narrow_names import SHIFTED, UNSHIFTED
from tsmfeat.trunk.options import TrunkOptions
from tsmfeat.video.probing import probe_video
from tsmfeat.workflows import benchmark_dataset, benchmark_trunk
from tsmfeat.workflows.benchmark_clips import ClipDealer, LabelledVideo, _choose_window, render_labelled
from tsmfeat.workflows.benchmark_dataset import render_benchmark, view_path, write_scripts_of
from tsmfeat.workflows.benchmark_options import STEPS, TrunkTrainingOptions
from tsmfeat.workflows.benchmark_trunk import TrunkTrainingReport, copy_benchmark_trunk, train_benchmark_trunk
from tsmfeat.workflows.manifests import read_manifest
from tsmfeat.workflows.options import DemoOptions
from tsmfeat_cli import demo_benchmark
from tsmfeat_cli.main import app

TEN = DemoOptions(10, size="benchmark")


@pytest.fixture
def brief(monkeypatch):
    """Videos of six seconds in place of minutes."""

    def write(options):
        sizes = (options.num_training, options.num_validation, options.num_testing)
        recipe = ScriptOptions(options.seed, scene_information=options.scene_information, seconds=(6.0, 8.0))
        return write_benchmark_scripts(*sizes, recipe)

    monkeypatch.setattr(benchmark_dataset, "write_scripts_of", write)
    return write


def test_the_sizes_of_the_benchmark():
    options = DemoOptions(size="benchmark")
    scripts = write_scripts_of(options)
    assert len(scripts) == options.count == 120
    assert [sum(s.subset == name for s in scripts) for name in ("training", "validation", "testing")] == [73, 17, 30]
    assert sum(script.duration_seconds for script in scripts) > 2.5 * 3600


def test_what_is_rendered_is_what_manifest_and_annotations_say(tmp_path, brief):
    files = render_benchmark(tmp_path, TEN)
    scripts = brief(TEN)
    sources = read_manifest(tmp_path / "manifest.csv")
    assert [(one.video_id, one.view) for one in sources] == [(s.video_id, view) for s in scripts for view in s.views]
    assert all(source.path.exists() for source in sources)
    assert len(list(files.videos.iterdir())) == len(sources)
    found = probe_video(view_path(scripts[0], "panoramic", files.videos))
    assert (found.height, found.width) == (64, 128)
    assert found.duration_seconds == pytest.approx(scripts[0].duration_seconds, abs=0.1)
    truth, told = read_annotations(files.annotations), annotate_benchmark(scripts)
    assert truth.video_ids == told.video_ids
    assert truth.subset == told.subset
    assert np.allclose(truth.segments.start, told.segments.start)
    names = [truth.scene_vocabulary.names[scene] for scene in truth.scene]
    assert names == [script.scene for script in scripts]


def test_another_dial_is_another_data_set_and_the_same_one_is_kept(tmp_path, brief, monkeypatch):
    rendered = []
    monkeypatch.setattr(benchmark_dataset, "_render_all", lambda jobs, folder, progress: touch(jobs, folder, rendered))
    progress = Recorder()
    render_benchmark(tmp_path, TEN, progress)
    (tmp_path / "features-trunk").mkdir()
    store = tmp_path / "features-trunk" / "one.h5"
    store.write_text("features")
    render_benchmark(tmp_path, TEN, progress)
    assert len(rendered) == 1
    assert "already rendered" in str(progress.of("note"))
    assert store.exists()
    render_benchmark(tmp_path, replace(TEN, scene_information=2.0), progress)
    assert len(rendered) == 2
    assert not store.exists()


def touch(jobs, folder, rendered):
    rendered.append(len(jobs))
    for script, view in jobs:
        view_path(script, view, folder).write_text(view)


def test_the_manifest_is_plain_csv(tmp_path, brief, monkeypatch):
    monkeypatch.setattr(benchmark_dataset, "_render_all", lambda jobs, folder, progress: touch(jobs, folder, []))
    render_benchmark(tmp_path, TEN)
    rows = list(csv.DictReader((tmp_path / "manifest.csv").read_text().splitlines()))
    assert rows[0] == {"video_id": "video_000", "view": "panoramic", "path": "videos/video_000_panoramic.mp4"}


@pytest.mark.parametrize("words", ["--train", "--scene-information 2"])
def test_the_small_demo_has_no_dial_and_trains_nothing(words, tmp_path):
    done = CliRunner().invoke(app, ["demo", *words.split(), "-o", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "hint: add --size benchmark" in done.stderr
    assert not (tmp_path / "out").exists()


def test_more_bits_than_a_scene_can_tell_are_a_usage_error(tmp_path):
    words = ["demo", "--size", "benchmark", "--scene-information", "3", "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert "scene_information 3.0" in done.stderr
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigurationError, match="size 'big'"):
        DemoOptions(size="big")


# The trunk.


def test_the_trunk_of_the_package_is_whole_and_small(tmp_path):
    path = copy_benchmark_trunk(tmp_path / "trunk.safetensors")
    assert path.stat().st_size < 3_000_000
    header = read_header(path)
    assert header["trunk"] == SHIFTED
    assert header["validation"]["direction"] > 0.8
    assert header["options"] == json.loads(json.dumps(vars(TrunkTrainingOptions())))
    trunk = load_trunk(TrunkOptions(SHIFTED, str(path), 4))
    assert trunk.checkpoint_sha256 == sha256_file(path)
    assert not trunk.checkpoint_notes


def test_only_the_shifted_trunk_can_tell_a_clip_from_its_reversal(tmp_path):
    path = str(copy_benchmark_trunk(tmp_path / "trunk.safetensors"))
    script = write_benchmark_scripts(1, 0, 0, ScriptOptions(seconds=(6.0, 8.0)))[0]
    frames = np.stack(list(render_view(script, "front_view")))[8:48:5, ::1]
    clips = torch.from_numpy((frames / 255.0 - 0.45).astype(np.float32) / 0.225).reshape(2, 4, 64, 64, 3)
    inputs = clips.permute(0, 1, 4, 2, 3).contiguous()
    relative = {}
    for name in (SHIFTED, UNSHIFTED):
        trunk = load_trunk(TrunkOptions(name, path, 4))
        forward, backward = trunk(inputs), trunk(inputs.flip(1))
        relative[name] = float((forward - backward).norm() / forward.norm())
    assert relative[UNSHIFTED] < 1e-5
    assert relative[SHIFTED] > 0.05


def labelled(label, start, end, num_frames=50):
    frames = np.arange(num_frames, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    values = (np.array([label]), np.array([start]), np.array([end]))
    return LabelledVideo(frames, 10.0, 3, *values)


def test_dealt_clips_are_in_order_within_their_span_and_know_their_share():
    dealer = ClipDealer([labelled(5, 1.0, 3.0)], 4, (1.0,), np.random.default_rng(0))
    clips = dealer.deal(300)
    assert clips.frames.shape == (300, 4, 2, 2, 3)
    indexes = clips.frames[:, :, 0, 0, 0].astype(int)
    assert (np.diff(indexes, axis=1) >= 0).all()
    assert (indexes[:, -1] - indexes[:, 0] <= 10).all()
    assert (clips.scenes == 3).all()
    assert not np.delete(clips.shares, 5, axis=1).any()
    # By hand: what lies inside the action on both sides has all of it, what touches it nowhere has none.
    first, last = indexes[:, 0] / 10, (indexes[:, -1] + 1) / 10
    assert (clips.shares[(first >= 1.3) & (last <= 2.7), 5] > 0.95).all()
    assert (clips.shares[(last <= 0.7) | (first >= 3.3), 5] < 0.05).all()
    assert 0.3 < clips.shares[:, 5].mean() < 0.9


def test_windows_to_train_on_are_of_other_seeds_and_know_only_what_their_view_sees():
    videos = render_labelled(4, 0, "trunk", "square48", Recorder())
    scripts = write_benchmark_scripts(4, 0, 0, ScriptOptions(0, "trunk", 0.0, (20.0, 20.0), long_tail=False))
    assert [SCENES[video.scene] for video in videos] == [script.scene for script in scripts]
    for index, (video, script) in enumerate(zip(videos, scripts, strict=True)):
        first, last = _choose_window(script)
        assert video.frames.shape == (last - first, 48, 48, 3)
        assert 2.9 < (last - first) / script.frame_rate < 3.1
        assert len(video.label) == len(video.start) == len(video.end)
        begin, end = first / script.frame_rate, last / script.frame_rate
        seen = [one for one in script.instances if one.start < end and one.end > begin]
        seen = [one for one in seen if index % 2 == 0 or 0.5 <= one.x <= 1.5]
        assert [ACTIONS[label] for label in video.label] == [one.action for one in seen]
        assert np.allclose(video.start + begin, [one.start for one in seen])


def test_a_window_is_a_slice_of_the_whole_video():
    script = write_benchmark_scripts(1, 0, 0, ScriptOptions(seconds=(4.0, 5.0)))[0]
    whole = list(render_view(script, "front_view"))
    assert np.array_equal(whole[10:13], list(render_view(script, "front_view", (10, 13))))


@pytest.mark.golden
def test_training_writes_a_trunk_that_extract_reads(tmp_path):
    path = tmp_path / "trunk.safetensors"
    options = TrunkTrainingOptions(num_videos=4, num_validation=2, steps=3, batch_size=4)
    report = train_benchmark_trunk(path, options)
    assert len(report.losses) == 1
    assert 0 <= report.validation["action"] <= 1
    assert load_trunk(TrunkOptions(SHIFTED, str(path), 4)).embedding_size == 128
    assert read_header(path)["options"]["steps"] == 3


def test_a_trunk_is_trained_where_that_is_asked_for_and_kept_afterwards(tmp_path, monkeypatch):
    trained = []

    def train(path, progress):
        trained.append(path)
        path.write_bytes(b"weights")
        return TrunkTrainingReport(str(path), {"direction": 0.8361}, [1.0], 1.0, 2.0)

    monkeypatch.setattr(benchmark_trunk, "train_benchmark_trunk", train)
    progress = Recorder()
    paths = [demo_benchmark._provide_trunk(tmp_path, replace(TEN, train=True), progress) for _ in range(2)]
    assert paths == [tmp_path / "trained.safetensors"] * 2
    assert trained == paths[:1]
    told = str(progress.of("note"))
    assert '"direction": 0.836' in told
    assert "already trained" in told
    assert demo_benchmark._provide_trunk(tmp_path, TEN, progress) == tmp_path / "trunk.safetensors"
    assert len(trained) == 1


# The commands.


@pytest.fixture
def commands(monkeypatch):
    """Run the commands in this process; return what was run."""
    ran = []

    def run(flags, *words):
        ran.append([str(word) for word in words])
        done = CliRunner().invoke(app, [*ran[-1], "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    monkeypatch.setattr(demo_benchmark, "run_command", run)
    return ran


@pytest.mark.golden
def test_the_benchmark_runs_from_end_to_end(tmp_path, brief, commands):
    out = tmp_path / "a benchmark"
    words = ["demo", "--size", "benchmark", "--num-videos", "10", "-o", str(out), "-q"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert [words[0] for words in commands] == ["extract", *["fit-heads", "score"] * 9, "score"]
    stores = sorted((out / "features-trunk").glob("*.h5"))
    assert len(stores) == len(STEPS) * 2
    lines = done.stdout.splitlines()
    table = {line[:32].strip(): line[32:].split() for line in lines[2:12]}
    assert len(table) == 10
    for name, cells in table.items():
        folder = "scores-together" if name == "all steps together" else f"scores-{name}"
        scored = json.loads((out / folder / "scores.json").read_text())
        assert cells[0] == f"{scored['final_score']:.3f}"
    assert " actions in 0.0 h, " in done.stdout
    assert len(lines) < 30
    assert shlex.quote(str(out)).strip("'") in done.stdout


def test_the_pairs_of_both_generators_are_known_to_the_direction_accuracy():
    from tsmfeat.workflows.demonstration import BOTH_PAIRS

    assert set(ACTION_PAIRS) <= set(BOTH_PAIRS)
    names = [name for pair in BOTH_PAIRS for name in pair]
    assert len(names) == len(set(names))
