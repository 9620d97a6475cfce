"""The harder generator: every property that its guide claims, counted on the scripts or measured on the pixels."""

import hashlib
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from tsmfeat.errors import ConfigurationError
from tsmfeat.rendered_benchmark.actions import ACTION_PAIRS, ACTIONS, GROUPS, SCENES
from tsmfeat.rendered_benchmark.dial import information_bits, most_bits, scene_shares
from tsmfeat.rendered_benchmark.drawing import PIXELS_PER_UNIT, VIEW_EDGES, render_view
from tsmfeat.rendered_benchmark.motions import move_shapes, show_action
from tsmfeat.rendered_benchmark.scripts import (
    VIEWS,
    Instance,
    ScriptOptions,
    annotate_benchmark,
    write_benchmark_scripts,
)
from tsmfeat.rendering import render_frames, write_scripts
from tsmfeat.workflows.benchmark_dataset import count_benchmark

MANY = write_benchmark_scripts(200, 40, 60)
OTHERS = write_benchmark_scripts(20, 0, 0, ScriptOptions(seed=1))
SMALL_SCRIPTS, SMALL_FRAMES = "757cde47ff00ba4f", "a9d990f378ea4d4a"
BRIEF = ScriptOptions(seconds=(3.0, 4.0))


def brief(instances=(), **changes):
    script = write_benchmark_scripts(1, 0, 0, BRIEF)[0]
    return replace(script, instances=tuple(instances), duration_seconds=4.0, frame_rate=12.5, **changes)


def test_equal_seeds_give_equal_scripts_and_frames_and_others_do_not():
    one, again = (write_benchmark_scripts(2, 1, 1, BRIEF) for _ in range(2))
    assert one == again
    for view in VIEWS:
        first, second = (np.stack(list(render_view(scripts[0], view))) for scripts in (one, again))
        assert np.array_equal(first, second)
    other = write_benchmark_scripts(2, 1, 1, replace(BRIEF, seed=1))
    assert all(a.entropy != b.entropy and a.instances != b.instances for a, b in zip(MANY, OTHERS, strict=False))
    assert not np.array_equal(next(render_view(one[0], VIEWS[0])), next(render_view(other[0], VIEWS[0])))


def test_streams_of_one_seed_have_nothing_in_common():
    one, other = (write_benchmark_scripts(40, 0, 0, ScriptOptions(stream=name)) for name in ("videos", "trunk"))
    assert all(a.instances != b.instances and a.entropy != b.entropy for a, b in zip(one, other, strict=True))
    shared = {i.start for s in one for i in s.instances[:1]} & {i.start for s in other for i in s.instances[:1]}
    assert len(shared) < 10


def test_more_videos_leave_the_first_ones_as_they_are():
    assert [s.instances for s in write_benchmark_scripts(3, 0, 0)] == [s.instances for s in MANY[:3]]


def test_the_small_demo_is_what_it_was():
    """Digests of what the generator of version 1 made before this one existed."""
    scripts = write_scripts(3, 1, 1, seed=5)
    assert hashlib.sha256(repr(scripts).encode()).hexdigest()[:16] == SMALL_SCRIPTS
    digest = hashlib.sha256()
    for frame in render_frames(replace(scripts[0], duration_seconds=3.0)):
        digest.update(frame.tobytes())
    assert digest.hexdigest()[:16] == SMALL_FRAMES


def test_scripts_keep_their_rules():
    for script in MANY:
        assert 60 - 0.1 <= script.duration_seconds <= 100 + 0.1
        assert script.num_frames == pytest.approx(script.duration_seconds * script.frame_rate, abs=1e-6)
        assert list(script.instances) == sorted(script.instances, key=lambda one: (one.start, one.actor))
        for one in script.instances:
            assert 0 < one.start < one.end <= script.duration_seconds
        for actor in (0, 1):
            own = [one for one in script.instances if one.actor == actor]
            assert all(a.end <= b.start for a, b in pairwise(own))


def test_the_same_never_happens_twice_at_once():
    for script in MANY:
        for a in script.instances:
            for b in script.instances:
                if a.actor < b.actor and a.start < b.end and b.start < a.end:
                    assert a.action != b.action


def test_bouts_alternate_the_two_actions_of_a_pair_without_a_pause():
    partner = {a: b for one, other in ACTION_PAIRS for a, b in ((one, other), (other, one))}
    num_adjacent = 0
    for script in MANY:
        for actor in (0, 1):
            own = [one for one in script.instances if one.actor == actor]
            for a, b in pairwise(own):
                if a.end == b.start:
                    num_adjacent += 1
                    assert partner[a.action] == b.action
                    assert (a.y, a.x) == (b.y, b.x)
    assert num_adjacent > 5 * len(MANY)


def test_classes_are_long_tailed_as_their_shares_say():
    for scripts, room in (
        (write_benchmark_scripts(300, 0, 0, ScriptOptions(scene_information=0)), 0.015),
        (MANY, 0.06),  # where scenes prefer actions, those of short actions have more of them
    ):
        counts = count_benchmark(annotate_benchmark(scripts)).counts
        assert list(counts) == list(ACTIONS)
        found = np.array([sum(counts[name] for name in group.names) for group in GROUPS]) / sum(counts.values())
        assert np.allclose(found, [group.share for group in GROUPS], atol=room)
    assert max(counts.values()) > 10 * min(counts.values()) > 0
    for one, other in ACTION_PAIRS:
        assert 0.7 < counts[one] / counts[other] < 1.4


def test_short_long_and_simultaneous_actions_are_there():
    facts = count_benchmark(annotate_benchmark(MANY))
    seconds = [one.end - one.start for script in MANY for one in script.instances]
    assert 0.15 < facts.short_share < 0.25
    assert facts.short_share == pytest.approx(np.mean([length < 0.5 for length in seconds]))
    assert max(seconds) > 8
    at_once = [
        any(a.actor != b.actor and a.start < b.end and b.start < a.end for b in script.instances)
        for script in MANY
        for a in script.instances
    ]
    assert facts.overlap_share == pytest.approx(np.mean(at_once))
    assert 0.25 < facts.overlap_share < 0.45


def test_every_subset_has_every_scene_and_action():
    for subset in ("training", "validation", "testing"):
        own = [script for script in MANY if script.subset == subset]
        scenes = np.bincount([SCENES.index(script.scene) for script in own], minlength=len(SCENES))
        assert scenes.max() - scenes.min() <= 2
        assert {one.action for script in own for one in script.instances} == set(ACTIONS)


def test_some_videos_lack_the_front_view_and_all_have_the_panoramic_one():
    assert {script.views for script in MANY} == {VIEWS, VIEWS[:1]}
    assert 0.78 < np.mean([len(script.views) == 2 for script in MANY]) < 0.92


# The dial.


def test_the_dial_keeps_both_margins():
    for bits in (0, 0.5, 1, 2, most_bits()):
        shares = scene_shares(bits)
        assert np.allclose(shares.sum(axis=1), 1 / len(SCENES))
        assert np.allclose(shares.sum(axis=0), [group.share for group in GROUPS])
        assert information_bits(shares) == pytest.approx(bits, abs=1e-6)


def test_what_is_measured_in_annotations_follows_the_dial():
    measured = []
    for bits in (0.0, 0.5, 1.0, 2.0):
        scripts = write_benchmark_scripts(150, 0, 0, ScriptOptions(scene_information=bits))
        facts = count_benchmark(annotate_benchmark(scripts))
        assert facts.corrected_bits == pytest.approx(bits, abs=0.1)
        measured.append(facts.information_bits)
    assert measured == sorted(measured)


def test_scenes_never_tell_the_direction():
    scripts = write_benchmark_scripts(300, 0, 0, ScriptOptions(scene_information=2.0))
    counts = np.zeros((len(SCENES), 2))
    for script in scripts:
        for one in script.instances:
            if one.action in ("move left", "move right"):
                counts[SCENES.index(script.scene), one.action == "move right"] += 1
    often = counts[counts.sum(axis=1) > 100]
    assert len(often) >= 2
    assert np.abs(often[:, 0] / often.sum(axis=1) - 0.5).max() < 0.1


@pytest.mark.parametrize("bits", [-0.1, 2.5, float("nan")])
def test_more_than_can_be_told_is_refused(bits):
    with pytest.raises(ConfigurationError, match="bits from 0 to 2"):
        write_benchmark_scripts(1, 0, 0, ScriptOptions(scene_information=bits))


# Pictures.


@pytest.mark.parametrize("pair", ACTION_PAIRS, ids=" / ".join)
def test_the_second_action_of_a_pair_is_the_first_with_its_time_reversed(pair):
    place = np.arange(1, 16) / 16
    first, second = (np.hstack(show_action(np.random.default_rng(3), action, place)) for action in pair)
    assert np.allclose(second, first[::-1], atol=1e-12)
    assert not np.allclose(second, first, atol=0.01)


def test_what_moves_left_does_so_in_both_views():
    script = brief([Instance("move left", 0.0, 4.0, 0, 0.5, 1.0)])
    paths = [shape.path for shape in move_shapes(script) if not shape.is_square and shape.path[:, 3].any()]
    assert len(paths) == 1
    steps = np.diff(paths[0][:, 1])
    assert (steps < 0).mean() > 0.85  # the others jump back
    bare = brief()
    for view, (left, right) in VIEW_EDGES.items():
        frames, without = (np.stack(list(render_view(one, view))) for one in (script, bare))
        assert frames.shape == (50, PIXELS_PER_UNIT, round((right - left) * PIXELS_PER_UNIT), 3)
        assert frames.dtype == np.uint8
        columns = np.abs(frames.astype(float) - without).max(axis=(1, 3))
        seen = [np.flatnonzero(row > 60).mean() / PIXELS_PER_UNIT + left for row in columns]
        assert np.corrcoef(seen, paths[0][:, 1])[0, 1] > 0.95


def test_the_front_view_misses_what_happens_outside_it():
    outside, inside = (brief([Instance("flash", 1.0, 1.45, 0, 0.5, x)]) for x in (0.2, 1.0))
    nothing = brief()
    for script, seen in ((outside, False), (inside, True)):
        frames, without = (np.stack(list(render_view(one, "front_view"))).astype(int) for one in (script, nothing))
        # An actor may rest nearby before it acts: only the time of the action counts.
        rows = slice(13, 18)
        assert (np.abs(frames[rows] - without[rows]).max() > 60) == seen
        wide, bare = (np.stack(list(render_view(one, "panoramic"))).astype(int) for one in (script, nothing))
        assert np.abs(wide[rows] - bare[rows]).max() > 60


def test_distractors_move_and_are_in_no_annotation():
    script = brief()
    assert len(annotate_benchmark([script]).segments) == 0
    squares = [shape for shape in move_shapes(script) if shape.is_square]
    assert 1 <= len(squares) <= 3
    assert any(np.ptp(shape.path[:, k]) > 0.01 for shape in squares for k in (0, 1, 3))
    kinds = set()
    for long in MANY[:40]:
        for shape in move_shapes(replace(long, duration_seconds=30.0)):
            if shape.is_square:
                kinds.add((np.ptp(shape.path[:, 0]) > 0, len(set(shape.path[:, 3])) > 2))
    assert kinds == {(True, False), (False, True)}


def test_frames_are_noisy_and_the_camera_trembles():
    script = brief()
    frames = np.stack(list(render_view(script, "panoramic"))).astype(float)
    still = np.median(np.abs(np.diff(frames, axis=0)))
    assert still > 2
    assert annotate_benchmark([script]).video_ids == (script.video_id,)
