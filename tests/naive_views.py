"""Views joined one number at a time. Imports nothing of ours."""

import math


def naive_join(parts: list[dict[str, list[list[float]]]], sizes: list[int], video_ids: list[str]):
    """Join ``{video_id: rows}`` of each view; return rows with None for what is missing, and the intervals a video."""
    table, counts = [], []
    for video_id in video_ids:
        counts.append(max(len(part.get(video_id, [])) for part in parts))
        for index in range(counts[-1]):
            row = []
            for part, size in zip(parts, sizes, strict=True):
                rows = part.get(video_id, [])
                row += list(rows[index]) if index < len(rows) else [None] * size
            table.append(row)
    return table, counts


def naive_mean_and_deviation(table: list[list[float | None]]):
    """Mean and population deviation of every column over the rows that have it."""
    found = []
    for column in zip(*table, strict=True):
        values = [value for value in column if value is not None]
        mean = sum(values) / len(values)
        found.append((mean, math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))))
    return found
