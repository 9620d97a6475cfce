"""The paper's ensemble as it would be written down from its text: a dict by (class, start, end) for each video.

Plain Python on lists of tuples, the form a JSON file has once it is parsed.
"""

Piece = tuple[float, float, float]
Row = tuple[int, float, float, float]
Model = list[list[Row]]


def fuse_by_dict(models: list[Model], weights: list[float], threshold: float) -> Model:
    """Average equal segments over all models, then unite overlapping ones of a class.

    Parameters
    ----------
    models
        For each model and video a list of (label, start, end, score).
    weights
        One for each model, of sum 1.
    threshold
        A tIoU above it unites.

    Returns
    -------
    list
        For each video a list of (label, start, end, score), sorted.
    """
    return [
        _unite_video(_average_video([model[video] for model in models], weights), threshold)
        for video in range(len(models[0]))
    ]


def _average_video(said: list[list[Row]], weights: list[float]) -> dict[tuple[int, int, int], float]:
    averages: dict[tuple[int, int, int], float] = {}
    for rows, weight in zip(said, weights, strict=True):
        own: dict[tuple[int, int, int], float] = {}
        for label, start, end, score in rows:
            key = (label, round(start * 1000), round(end * 1000))
            if score > own.get(key, -1.0):
                own[key] = score
        for key, score in own.items():
            averages[key] = averages.get(key, 0.0) + weight * score
    return averages


def _unite_video(averages: dict[tuple[int, int, int], float], threshold: float) -> list[Row]:
    by_label: dict[int, list[Piece]] = {}
    for (label, start, end), score in averages.items():
        by_label.setdefault(label, []).append((start, end, score))
    united = [
        (label, start / 1000, end / 1000, score)
        for label, pieces in by_label.items()
        for start, end, score in _unite_pieces(pieces, threshold)
    ]
    return sorted(united)


def _unite_pieces(pieces: list[Piece], threshold: float) -> list[Piece]:
    pieces.sort(key=lambda piece: (-piece[2], piece[0], piece[1]))
    kept: list[Piece] = []
    for start, end, score in pieces:
        place = 0
        while place < len(kept):
            other_start, other_end, other_score = kept[place]
            inner = min(end, other_end) - max(start, other_start)
            if inner > 0 and inner / ((end - start) + (other_end - other_start) - inner) > threshold:
                start, end, score = min(start, other_start), max(end, other_end), max(score, other_score)
                del kept[place]
                place = 0
            else:
                place += 1
        kept.append((start, end, score))
    return kept
