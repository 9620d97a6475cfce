"""Heads with dilated convolutions, fitted: alone and together, on videos, and from a store to segments."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from factories_workflows import make_database, write_database, write_store
from typer.testing import CliRunner

from tsmfeat.errors import ConfigurationError, InputError
from tsmfeat.heads.checkpoint import load_heads
from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.prediction import predict_probabilities
from tsmfeat.heads.rows import TrainingRows
from tsmfeat.heads.training import train_head, train_heads
from tsmfeat.store.reader import open_features
from tsmfeat.workflows.fit_options import FitOptions
from tsmfeat.workflows.fitting import fit_heads
from tsmfeat.workflows.inference import gather_features
from tsmfeat_cli.main import app

TCN = HeadOptions(head="tcn", tasks=("action",), epochs=30, lr=0.01, hidden_size=8, num_layers=3, dropout=0.1)


def make_echoes(num_videos=12, length=20, seed=0):
    """Return videos whose rows are labelled by the row two before: no head without context can know it."""
    rng = np.random.default_rng(seed)
    signal = rng.integers(0, 2, num_videos * length)
    offset = np.arange(num_videos + 1) * length
    action = np.roll(signal, 2)
    action[(np.arange(len(action)) % length) < 2] = 2
    features = rng.normal(0, 0.1, (len(signal), 3)).astype(np.float16)
    features[:, 0] += signal
    return TrainingRows(
        features,
        np.arange(len(signal)),
        action.astype(np.int32),
        np.full(len(signal), -1, np.int32),
        2,
        0,
        offset,
    )


def accuracy(weights, data):
    found = predict_probabilities(weights, data.features, data.row_offset)[0]
    return float((found.argmax(axis=1) == data.action).mean())


def test_it_learns_what_only_neighbours_tell():
    fitted = train_head(make_echoes(), replace(TCN, dropout=0.0, batch_size=40), num_frames=8)
    other = make_echoes(seed=1)
    assert accuracy(fitted.weights, other) > 0.95
    linear = train_head(make_echoes(), replace(TCN, head="linear", lr=0.1), num_frames=8)
    assert accuracy(linear.weights, other) < 0.7
    assert fitted.record["epochs"][-1]["action_loss"] < 0.2


def test_every_run_of_a_sweep_equals_the_run_alone():
    data = make_echoes(4)
    runs = [
        replace(TCN, epochs=3, lr=lr, dropout=dropout, smoothing_loss=smoothing)
        for lr, dropout, smoothing in ((0.01, 0.0, 0.15), (0.003, 0.4, 0.0), (0.01, 0.4, 0.5))
    ]
    together = train_heads(data, runs, num_frames=8)
    for one, found in zip(runs, together, strict=True):
        alone = train_head(data, one, num_frames=8)
        for name, values in alone.weights.tensors().items():
            np.testing.assert_allclose(found.weights.tensors()[name], values, rtol=1e-5, atol=1e-5)


def test_its_descent_is_adamw_on_the_loss_by_torchs_own_convolutions():
    """One batch, no dropout, three steps: Loshchilov & Hutter's algorithm 2 in float64."""
    data = make_echoes(2)
    options = replace(TCN, epochs=3, dropout=0.0, standardize=False, schedule="none", batch_size=99, weight_decay=0.1)
    begun = train_head(data, replace(options, lr=1e-30), num_frames=8).weights.tensors()
    parameters = {name: torch.tensor(values.astype(float), requires_grad=True) for name, values in begun.items()}
    mean = {name: torch.zeros_like(values) for name, values in parameters.items()}
    square = {name: torch.zeros_like(values) for name, values in parameters.items()}
    rows, targets = torch.from_numpy(data.features).double(), torch.from_numpy(data.action).long()
    for step in (1, 2, 3):
        logs = torch.cat([_log_probabilities(parameters, rows[k : k + 20])[None] for k in (0, 20)])
        changes = (logs[:, 1:] - logs[:, :-1].detach()).square().clamp(max=16)
        loss = torch.nn.functional.nll_loss(logs.flatten(0, 1), targets) + 0.15 * changes.mean()
        gradients = torch.autograd.grad(loss, list(parameters.values()))
        for (name, values), gradient in zip(parameters.items(), gradients, strict=True):
            mean[name] = 0.9 * mean[name] + 0.1 * gradient
            square[name] = 0.999 * square[name] + 0.001 * gradient**2
            moved = mean[name] / (1 - 0.9**step) / ((square[name] / (1 - 0.999**step)).sqrt() + 1e-8)
            decay = 0.1 if name.endswith("weight") else 0.0
            values.data -= 0.01 * (moved + decay * values.data)
    found = train_head(data, options, num_frames=8).weights.tensors()
    for name, values in parameters.items():
        np.testing.assert_allclose(found[name], values.detach(), rtol=1e-3, atol=1e-4)


def _log_probabilities(parameters, rows):
    """The network by torch's own convolutions on one video."""
    conv1d = torch.nn.functional.conv1d
    hidden = (rows @ parameters["body.input_weight"].T + parameters["body.input_bias"]).T[None]
    size = hidden.shape[1]
    for layer in range(3):
        taps = parameters["body.dilated_weight"][layer].reshape(size, 3, size).transpose(1, 2)
        dilation = {"padding": 2**layer, "dilation": 2**layer}
        found = conv1d(hidden, taps, parameters["body.dilated_bias"][layer], **dilation).relu()
        pointwise = parameters["body.pointwise_weight"][layer][:, :, None]
        hidden = hidden + conv1d(found, pointwise, parameters["body.pointwise_bias"][layer])
    scores = hidden[0].T @ parameters["action_weight"].T + parameters["action_bias"]
    return scores.log_softmax(dim=1)


def test_the_smoothing_loss_makes_scores_change_less():
    data = make_echoes()
    rough, smooth = train_heads(data, [replace(TCN, smoothing_loss=factor) for factor in (0.0, 5.0)], num_frames=8)
    changes = [
        np.abs(np.diff(np.log(predict_probabilities(one.weights, data.features, data.row_offset)[0]), axis=0)).mean()
        for one in (rough, smooth)
    ]
    assert changes[1] < 0.8 * changes[0]


def test_rows_of_unknown_videos_are_refused():
    data = replace(make_echoes(2), row_offset=None)
    with pytest.raises(InputError, match="other intervals"):
        train_head(data, TCN, num_frames=8)


@pytest.mark.parametrize(("name", "value"), [("num_layers", 0), ("smoothing_loss", -0.1), ("solver", "lbfgs")])
def test_options_out_of_range_are_refused(name, value):
    with pytest.raises(ConfigurationError, match=name):
        replace(TCN, **{name: value})


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tcn")
    database = make_database()
    write_database(folder / "gt.json", database)
    write_store(folder / "store", database, noise=1.0)
    options = FitOptions(replace(TCN, tasks=("action", "scene"), epochs=15, dropout=0.3))
    return folder, fit_heads(folder / "store", folder / "gt.json", folder / "heads.safetensors", options)


def test_a_store_becomes_heads_that_say_of_each_video_the_same_alone(task):
    folder, report = task
    checkpoint = load_heads(folder / "heads.safetensors")
    assert checkpoint.weights.kind == "tcn"
    assert checkpoint.weights.body["dilated_weight"].shape == (3, 8, 24)
    assert report.validation["final_score"] > 0.2
    with open_features(folder / "store") as store:
        every = gather_features(store, store.video_ids)
        found = predict_probabilities(checkpoint.weights, every.embeddings, every.row_offset)
        for video, video_id in list(enumerate(every.video_ids))[::7]:
            own = gather_features(store, [video_id])
            rows = slice(every.row_offset[video], every.row_offset[video + 1])
            for values, alone in zip(found, predict_probabilities(checkpoint.weights, own.embeddings), strict=True):
                np.testing.assert_allclose(values[rows], alone, rtol=1e-4, atol=1e-5)


PREDICTING = """
import sys
import numpy as np
from pathlib import Path
from tsmfeat.heads.checkpoint import load_heads
from tsmfeat.heads.prediction import predict_probabilities
predict_probabilities(load_heads(Path(sys.argv[1])).weights, np.zeros((5, 8), np.float16))
sys.exit("torch" in sys.modules)
"""


def test_predicting_needs_no_torch(task):
    folder, _ = task
    subprocess.run([sys.executable, "-c", PREDICTING, folder / "heads.safetensors"], check=True)


def test_commands_score_and_predict(task, tmp_path):
    folder, _ = task
    truth = ("--annotations", folder / "gt.json", "--subset", "testing")
    heads, out = folder / "heads.safetensors", tmp_path / "predictions.json"
    scored = _run("score", heads, "--features", folder / "store", *truth, "--json")
    _run("predict", folder / "store", "--heads", heads, "-o", out)
    content, database = json.loads(out.read_text()), make_database()
    content["results"] = {v: rows for v, rows in content["results"].items() if database[v]["subset"] == "testing"}
    out.write_text(json.dumps(content))
    again = _run("score", out, *truth, "--json")
    assert scored["final_score"] > 0.2
    assert scored["final_score"] == pytest.approx(again["final_score"], abs=1e-6)


def _run(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout) if "--json" in words else None


def test_folds_and_sweeps_take_it(task, tmp_path):
    folder, _ = task
    heads = replace(TCN, epochs=2)
    options = FitOptions(heads, sweep="smoothing-loss=0,0.15;num-layers=1,2", num_folds=3)
    fit_heads(folder / "store", folder / "gt.json", tmp_path / "heads.safetensors", options)
    weights = load_heads(tmp_path / "heads.safetensors").weights
    assert weights.kind == "tcn"
    assert len((tmp_path / "heads.sweep.csv").read_text().splitlines()) == 5
