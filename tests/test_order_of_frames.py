"""What an image trunk cannot see: the demo's pairs of actions that show equal frames in opposite order."""

import numpy as np
import pytest

from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.rows import TrainingRows
from tsmfeat.heads.training import train_head
from tsmfeat.rendering import ACTION_PAIRS, ACTIONS, render_frames, write_scripts
from tsmfeat.trunk.embedding import Embedder
from tsmfeat.trunk.loading import load_trunk
from tsmfeat.trunk.options import TrunkOptions

NUM_FRAMES, STEP, SIDE = 4, 0.5, 48


def clips_of(script):
    """Clips of the intervals that lie within one action, by plain indexing, with their labels."""
    frames = np.stack([shrink(frame) for frame in render_frames(script)])
    for label, start, end in script.segments:
        for interval in range(int(np.ceil(start / STEP)), int(end / STEP)):
            times = (interval + (np.arange(NUM_FRAMES) + 0.5) / NUM_FRAMES) * STEP
            yield frames[np.minimum((times * script.frame_rate).astype(int), len(frames) - 1)], ACTIONS.index(label)


def shrink(frame):
    """Take the nearest pixel: both trunks see the same, and no resizer is tested here."""
    rows, columns = (np.arange(SIDE) * size // SIDE for size in frame.shape[:2])
    return frame[rows][:, columns]


@pytest.fixture(scope="module")
def shown():
    scripts = write_scripts(24, 0, 12, seed=3)
    pairs = [(clip, label, script.subset) for script in scripts for clip, label in clips_of(script)]
    clips, labels, subsets = (np.array([pair[place] for pair in pairs]) for place in range(3))
    return clips, labels.astype(np.int32), subsets == "training"


def measure(trunk_name, shift, shown):
    """Share of held-out intervals with the right pair of four, and of those with the right one of their pair's two."""
    clips, labels, training = shown
    trunk = load_trunk(TrunkOptions(trunk_name, "random:0", NUM_FRAMES, shift))
    with Embedder(trunk, "cpu", "fp32", 64) as embed:
        rows = embed(clips)
    data = TrainingRows(rows, np.flatnonzero(training), labels, np.full(len(rows), -1, np.int32), len(ACTIONS), 0)
    options = HeadOptions(tasks=("action",), epochs=30, lr=0.03, dropout=0.0)
    weights = train_head(data, options, NUM_FRAMES).weights
    scores = (rows @ weights.action_weight.T + weights.action_bias)[~training, : len(ACTIONS)]
    truth = labels[~training]
    right_pair = scores.argmax(1) // 2 == truth // 2
    two = scores.reshape(-1, len(ACTION_PAIRS), 2)[np.arange(len(truth)), truth // 2]
    return right_pair.mean(), (two.argmax(1) == truth % 2).mean(), len(truth)


TRUNKS = [("resnet18", "on", True), ("resnet18", "off", False), ("timm:resnet18", "auto", False)]


@pytest.mark.golden
@pytest.mark.parametrize(("trunk", "shift", "sees_order"), TRUNKS)
def test_only_a_trunk_that_sees_order_tells_the_demos_pairs_apart(shown, trunk, shift, sees_order):
    if trunk.startswith("timm:"):
        pytest.importorskip("timm")
    pair, order, count = measure(trunk, shift, shown)
    assert count > 300
    # Which pair is shown can be seen in any frame: chance is a quarter, and every trunk is far above.
    assert pair > 0.5
    # Which of the two it is shows in their order; chance is a half, with a deviation of 0.027 for 350 intervals. (A
    # bout begins at its action's first place, so the first interval of a bout gives a little away.)
    if sees_order:
        assert order > 0.8
    else:
        assert abs(order - 0.5) < 0.15


@pytest.mark.parametrize(("trunk", "shift", "sees_order"), TRUNKS)
def test_a_clip_played_backwards_is_another_only_to_a_trunk_that_sees_order(trunk, shift, sees_order):
    if trunk.startswith("timm:"):
        pytest.importorskip("timm")
    clips = np.stack([clip for clip, _ in clips_of(write_scripts(1, 0, 0, seed=4)[0])][:3])
    with Embedder(load_trunk(TrunkOptions(trunk, "random:0", NUM_FRAMES, shift)), "cpu", "fp32", 3) as embed:
        forward, backward = embed(clips).astype(np.float64), embed(clips[:, ::-1]).astype(np.float64)
    difference = np.linalg.norm(backward - forward) / np.linalg.norm(forward)
    assert difference > 0.02 if sees_order else difference < 1e-3
