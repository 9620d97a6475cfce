from dataclasses import replace

import numpy as np
import pytest
import torch

from tsmfeat.rendering import (
    ACTION_PAIRS,
    ACTIONS,
    SCENES,
    VideoScript,
    _draw_cycle,
    annotate_scripts,
    render_frames,
    write_scripts,
)
from tsmfeat.trunk.tsm import build_trunk

MANY = write_scripts(400, 0, 0, seed=3)  # two of them would end beyond their video if ends were rounded up
SHORT = VideoScript("short", "testing", "garden", 12.5, 96, 128, 6.0, (("move left", 1.0, 4.5),), seed=7)
# What is drawn brighter than any background, prop or noise is the object.
BRIGHT = 175


def frames_of(script):
    return np.stack(list(render_frames(script)))


def seen(frames):
    return (frames.min(axis=-1) > BRIGHT).any(axis=(1, 2))


def tracks(frames):
    """Return centre_y, centre_x and area of the object in every frame, measured on the pixels."""
    found = []
    for frame in frames:
        y, x = np.nonzero(frame.min(axis=-1) > BRIGHT)
        found.append((y.mean(), x.mean(), len(y)) if len(y) else (np.nan,) * 3)
    return np.array(found).T


def in_segments(script):
    times = np.arange(script.num_frames) / script.frame_rate
    return np.any([(times >= start) & (times < end) for _, start, end in script.segments], axis=0)


def test_scripts_are_split_by_video_and_numbered():
    scripts = write_scripts(3, 2, 1, seed=4)
    assert [script.subset for script in scripts] == ["training"] * 3 + ["validation"] * 2 + ["testing"]
    assert [script.video_id for script in scripts] == [f"video_{index:03d}" for index in range(6)]
    assert len({script.seed for script in scripts}) == 6


def test_equal_seeds_write_equal_scripts_and_others_do_not():
    assert write_scripts(4, 1, 1, seed=5) == write_scripts(4, 1, 1, seed=5)
    others = write_scripts(4, 1, 1, seed=6)
    assert all(
        one.segments != other.segments for one, other in zip(write_scripts(4, 1, 1, seed=5), others, strict=True)
    )


def test_more_videos_leave_the_first_ones_as_they_are():
    assert [s.segments for s in write_scripts(2, 0, 0)] == [s.segments for s in write_scripts(9, 0, 0)[:2]]


def test_scripts_keep_their_rules():
    for script in MANY:
        assert script.height % 2 == script.width % 2 == 0  # as H.264 wants them
        assert script.num_frames == pytest.approx(script.duration_seconds * script.frame_rate, abs=1e-6)
        bounds = [bound for _, start, end in script.segments for bound in (start, end)]
        assert bounds == sorted(bounds)
        assert all(start < end for _, start, end in script.segments)
        assert bounds[0] > 0
        assert bounds[-1] <= script.duration_seconds
        assert len(script.segments) >= 3


def test_bouts_alternate_the_two_actions_of_a_pair_without_a_pause():
    num_adjacent = 0
    for script in MANY:
        for (one, _, end), (other, start, _) in zip(script.segments, script.segments[1:], strict=False):
            if start == end:
                num_adjacent += 1
                assert one != other
                assert ACTIONS.index(one) // 2 == ACTIONS.index(other) // 2
    assert num_adjacent > 2 * len(MANY)


def test_every_action_and_both_orders_of_each_pair_occur():
    assert {label for script in MANY for label, _, _ in script.segments} == set(ACTIONS)
    assert {script.segments[0][0] for script in MANY} == set(ACTIONS)


def test_scenes_prefer_a_pair_without_excluding_the_others():
    counts = np.zeros((len(SCENES), len(ACTION_PAIRS)))
    for script in MANY:
        for label, _, _ in script.segments:
            counts[SCENES.index(script.scene), ACTIONS.index(label) // 2] += 1
    assert (counts > 0).all()
    favourite = {SCENES[scene]: ACTION_PAIRS[pair][0] for scene, pair in enumerate(counts.argmax(axis=1))}
    assert favourite == {"kitchen": "circle clockwise", "garage": "move left", "garden": "move up", "office": "grow"}
    assert (counts.max(axis=1) / counts.sum(axis=1) > 0.4).all()


def test_annotations_say_what_the_scripts_say():
    scripts = write_scripts(3, 1, 1, seed=2)
    truth = annotate_scripts(scripts)
    assert truth.video_ids == tuple(script.video_id for script in scripts)
    assert truth.subset == tuple(script.subset for script in scripts)
    assert truth.duration_seconds.tolist() == [script.duration_seconds for script in scripts]
    assert [truth.scene_vocabulary.names[scene] for scene in truth.scene] == [script.scene for script in scripts]
    segments = truth.segments
    rows = zip(segments.video, segments.label, segments.start, segments.end, strict=True)
    told = [(truth.video_ids[v], truth.vocabulary.names[c], start, end) for v, c, start, end in rows]
    assert told == [(script.video_id, *segment) for script in scripts for segment in script.segments]


def test_videos_without_any_segment_can_be_annotated():
    truth = annotate_scripts([replace(SHORT, segments=())])
    assert len(truth.segments) == 0
    assert truth.video_ids == ("short",)
    assert len(annotate_scripts([]).video_ids) == 0


def test_frames_are_rgb_bytes_of_the_size_and_number_asked_for():
    frames = frames_of(SHORT)
    assert frames.dtype == np.uint8
    assert frames.shape == (75, 96, 128, 3)


def test_equal_scripts_render_to_equal_frames_and_other_seeds_do_not():
    assert np.array_equal(frames_of(SHORT), frames_of(SHORT))
    assert not np.array_equal(frames_of(SHORT), frames_of(replace(SHORT, seed=8)))


@pytest.mark.parametrize("script", [*write_scripts(2, 0, 0, seed=3), SHORT], ids=lambda script: script.video_id)
def test_the_object_is_seen_exactly_within_the_segments(script):
    assert np.array_equal(seen(frames_of(script)), in_segments(script))


def test_a_still_background_differs_from_frame_to_frame_by_noise_only():
    frames = frames_of(replace(SHORT, segments=())).astype(int)
    assert 0 < np.abs(frames - frames[0]).max() <= 7


def test_scenes_have_colours_of_their_own():
    means = [
        frames_of(replace(SHORT, scene=scene, segments=(), duration_seconds=0.16))[0].mean((0, 1)) for scene in SCENES
    ]
    apart = [np.abs(one - other).max() for i, one in enumerate(means) for other in means[:i]]
    assert min(apart) > 5


MEASURES = {"move left": 1, "move up": 0, "grow": 2}


@pytest.mark.parametrize("pair", ACTION_PAIRS[:3], ids=" / ".join)
def test_the_actions_of_a_pair_go_opposite_ways(pair):
    steps = []
    for label in pair:
        values = tracks(frames_of(replace(SHORT, segments=((label, 0.0, 6.0),))))[MEASURES[pair[0]]]
        steps.append(np.sign(np.diff(values)))
    forward = -1 if pair[0].startswith("move") else 1  # left and up count down in pixels; growing counts up
    # All but the jumps back at the ends of the cycles.
    assert (steps[0] == forward).mean() > 0.85
    assert (steps[1] == -forward).mean() > 0.85


def test_the_actions_of_the_circling_pair_turn_opposite_ways():
    turns = []
    for label in ACTION_PAIRS[3]:
        y, x, _ = tracks(frames_of(replace(SHORT, segments=((label, 0.0, 6.0),))))
        angle = np.unwrap(np.arctan2(y / SHORT.height - 0.5, x / SHORT.width - 0.5))
        turns.append(np.sign(np.diff(angle)))
    # Pixel rows count downward, so a growing angle is what people call clockwise.
    assert (turns[0] == 1).mean() > 0.9
    assert (turns[1] == -1).mean() > 0.9


@pytest.mark.parametrize("pair", ACTION_PAIRS, ids=" / ".join)
def test_the_second_action_of_a_pair_is_the_first_with_its_time_reversed(pair):
    place = np.arange(1, 16) / 16
    first, second = (_draw_cycle(np.random.default_rng(3), label, place, 96) for label in pair)
    assert np.allclose(second, first[::-1], atol=1e-12)
    assert not np.allclose(second, first, atol=0.01)
    # Hence nothing that ignores the order of frames can tell the two apart.
    assert np.allclose(np.sort(second, axis=0), np.sort(first, axis=0), atol=1e-12)


def test_only_a_shifted_trunk_can_tell_a_clip_from_its_reversal():
    """The paper's reason for the shift, on two rendered clips: forward and backward hold the same frames."""
    frames = frames_of(replace(SHORT, segments=(("move left", 0.0, 6.0),)))
    clips = np.stack([frames[0:8:2], frames[20:28:2]])[:, :, :64, :64]
    inputs = torch.from_numpy((clips / 255.0 - 0.45).astype(np.float32) / 0.225).permute(0, 1, 4, 2, 3).contiguous()
    relative = {}
    for shift in (True, False):
        trunk = build_trunk("resnet18", num_frames=4, checkpoint="random:0", shift=shift)
        forward, backward = trunk(inputs), trunk(inputs.flip(1))
        relative[shift] = float((forward - backward).norm() / forward.norm())
    assert relative[False] < 1e-5
    assert relative[True] > 1e-2
