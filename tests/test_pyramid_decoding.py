"""From what places say to segments."""

import numpy as np
import pytest
from factories_pyramid import make_embeddings, make_pyramid
from naive_pyramid import naive_run, naive_soft_suppression

from tsmfeat.heads import pyramid_decoding
from tsmfeat.heads.pyramid import PyramidOutputs
from tsmfeat.heads.pyramid_decoding import Grid, decode, decode_videos
from tsmfeat.heads.pyramid_places import lay_places

NAN = float("nan")


def say(row_offset, num_levels, said, num_actions=2):
    """Build outputs from {place: (label, score, left, right)}."""
    places = lay_places(row_offset, num_levels)
    scores = np.zeros((len(places.centre), num_actions), np.float32)
    distances = np.ones((len(places.centre), 2), np.float32)
    for place, (label, score, left, right) in said.items():
        scores[place, label] = score
        distances[place] = left, right
    return PyramidOutputs(places, scores, distances, np.zeros((len(row_offset) - 1, 1), np.float32))


def listed(rows):
    return [
        (int(video), int(label), *(round(float(value), 6) for value in rest))
        for video, label, *rest in zip(*rows, strict=True)
    ]


def test_decoding_by_hand():
    # Two videos of 8 and 4 intervals of half a second. Place 2 of level 0 lies at 2.5 intervals; the places of level 1
    # begin at 12; place 13 is the second one of the first video, at 2.5 intervals too, with a stride of 2; place 16
    # the first of the second video.
    outputs = say([0, 8, 12], 2, {2: (1, 0.5, 1.5, 2.0), 13: (0, 0.25, 1.0, 2.5), 16: (0, 0.75, 9.0, 9.0)})
    found = decode(outputs, Grid(np.array([0, 8, 12]), 0.5, np.array([4.0, 2.2])), 0.5)
    assert listed(found) == [
        (0, 0, 0.25, 3.75, 0.25),  # 2.5 - 2, 2.5 + 5 intervals
        (0, 1, 0.5, 2.25, 0.5),
        (1, 0, 0.0, 2.2, 0.75),  # cut at the video's bounds
    ]


def test_overlaps_are_weakened():
    outputs = say([0, 8], 1, {2: (0, 0.8, 2.0, 2.0), 3: (0, 0.6, 1.0, 3.0), 4: (1, 0.7, 2.0, 2.0)})
    found = decode(outputs, Grid(np.array([0, 8]), 1.0, np.array([8.0])), 0.5)
    # [0.5, 4.5] and [2.5, 6.5]: 2 of 6.
    weakened = round(0.6 * float(np.exp(-((1 / 3) ** 2) / 0.5)), 6)
    assert listed(found) == [(0, 0, 0.5, 4.5, 0.8), (0, 0, 2.5, 6.5, weakened), (0, 1, 2.5, 6.5, 0.7)]


def test_faint_short_and_surplus_segments_are_left_out(monkeypatch):
    said = {0: (0, 0.0009, 1.0, 1.0), 1: (0, 0.9, 0.01, 0.01), 2: (0, 0.5, 0.4, 0.4), 3: (1, 0.4, 0.4, 0.4)}
    grid = Grid(np.array([0, 4]), 1.0, np.array([NAN]))
    assert listed(decode(say([0, 4], 1, said), grid, 0.5)) == [(0, 0, 2.1, 2.9, 0.5), (0, 1, 3.1, 3.9, 0.4)]
    monkeypatch.setattr(pyramid_decoding, "MOST_SEGMENTS", 1)
    assert listed(decode(say([0, 4], 1, said), grid, 0.5)) == [(0, 0, 2.1, 2.9, 0.5)]


def test_all_of_it_is_that_of_a_loop(monkeypatch):
    lengths = [9, 5, 14]
    weights, (rows, offset) = make_pyramid(num_scenes=3), make_embeddings(lengths)
    durations = np.array([4.6, NAN, 7.1])
    found, scenes = decode_videos(weights, rows, Grid(offset, 0.5, durations))
    for video, length in enumerate(lengths):
        levels = naive_run(weights.body, rows[offset[video] : offset[video + 1]])
        until = np.inf if np.isnan(durations[video]) else durations[video]
        candidates = []
        for level, said in enumerate(levels):
            for index, (scores, (left, right)) in enumerate(said):
                centre = index * 2**level + 0.5
                start, end = max(0.0, centre - left * 2**level) / 2, min((centre + right * 2**level) / 2, until)
                if end - start >= 0.025:
                    candidates += [[label, start, end, score] for label, score in enumerate(scores) if score >= 0.001]
        expected = sorted(one for one in naive_soft_suppression(candidates, 0.4) if one[3] >= 0.001)
        own = found.take(found.video == video)
        mine = np.stack([own.label, own.start, own.end, own.score], axis=1)
        assert len(mine) == len(expected) > length
        order = np.lexsort((mine[:, 2], mine[:, 1], mine[:, 0]))
        np.testing.assert_allclose(mine[order], sorted(expected, key=lambda one: one[:3]), atol=2e-4)
    assert scenes.shape == (3, 3)
    np.testing.assert_allclose(scenes.sum(axis=1), 1.0)
    monkeypatch.setattr(pyramid_decoding, "_BLOCK_ROWS", 6)
    again, scenes_again = decode_videos(weights, rows, Grid(offset, 0.5, durations))
    np.testing.assert_allclose(again.score, found.score, atol=1e-6)
    assert again.video.tolist() == found.video.tolist()
    np.testing.assert_allclose(scenes_again, scenes, atol=1e-6)


def test_float16_embeddings_do():
    weights, (rows, offset) = make_pyramid(), make_embeddings([9])
    half = rows.astype(np.float16)
    grid = Grid(offset, 0.5, np.array([4.5]))
    found, expected = (decode_videos(weights, one, grid)[0] for one in (half, half.astype(np.float32)))
    assert found.score.tolist() == expected.score.tolist()


def test_nothing_in_nothing_out():
    weights = make_pyramid(num_scenes=2)
    segments, scenes = decode_videos(weights, np.zeros((0, 4), np.float16), Grid(np.array([0]), 0.5, np.empty(0)))
    assert len(segments) == 0
    assert scenes.shape == (0, 2)
    grid = Grid(np.array([0, 0, 3]), 0.5, np.array([0.2, 1.5]))
    segments, scenes = decode_videos(weights, np.zeros((3, 4), np.float16), grid)
    assert set(segments.video.tolist()) == {1}
    assert np.isnan(scenes[0]).all()
    assert scenes[1].sum() == pytest.approx(1.0)
    assert decode_videos(make_pyramid(), np.zeros((3, 4), np.float16), grid)[1] is None
