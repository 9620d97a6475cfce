"""A head on an interval and its whole video, number by number; imports nothing of ours."""


def naive_conditioned(body, video, mean, deviation):
    """Return the representation of each row of one video: standardised numbers, then the products of two forms."""
    size, rank = len(mean), len(body["input_bias"])
    rows = [[(row[d] - mean[d]) / deviation[d] for d in range(size)] for row in video]
    average = [sum(row[d] for row in rows) / len(rows) for d in range(size)]

    def form(factor, k, row):
        return sum(body[f"{factor}_weight"][k][d] * row[d] for d in range(size)) + body[f"{factor}_bias"][k]

    return [[*row, *(form("input", k, row) * form("context", k, average) for k in range(rank))] for row in rows]
