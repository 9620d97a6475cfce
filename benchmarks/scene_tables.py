"""The tables of the guide to scenes, made of the result of the study: no figure is typed by hand."""

from collections.abc import Mapping, Sequence
from typing import Any

SCORES = (
    ("linear heads", "linear"),
    ("shared layer, scenes not learned", "mlp"),
    ("conditioned", "conditioned"),
)
GAINS = (
    ("shared layer, scene weight 0.3", "mlp, scene weight 0.3", "mlp"),
    ("shared layer, scene weight 1", "mlp, scene weight 1", "mlp"),
    ("*control: scenes permuted*", "mlp, scene weight 1, permuted scenes", "mlp"),
    ("scene prior on linear heads", "linear, scene prior", "linear"),
    ("*control: scenes permuted*", "linear, scene prior, permuted scenes", "linear"),
    ("*bound: prior of the true scene*", "linear, prior of the true scene", "linear"),
    ("*bound: true scene as an input*", "linear, true scene as input", "linear"),
    ("conditioned instead of linear", "conditioned", "linear"),
    ("scene prior on conditioned", "conditioned, scene prior", "conditioned"),
)
EQUAL = "equal by construction"
PRIOR = "linear, scene prior"


def make_table(studies: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Return a Markdown table with a column a study.

    Parameters
    ----------
    studies
        Pairs of a heading and what ``study`` returned.
    """
    headings = [heading for heading, _ in studies]
    rows = [["", *headings], ["---"] * (len(studies) + 1)]
    for label, name in SCORES:
        rows.append([label, *(_score(found["methods"][name]) for _, found in studies)])
    linear = [EQUAL if found["linear_equal_for_every_scene_weight"] else "differs" for _, found in studies]
    rows.append(["**gain of** scenes learned beside actions, linear heads", *linear])
    for label, name, other in GAINS:
        rows.append([label, *(_gain(found["methods"][name]["gains"][other]) for _, found in studies)])
    rows.append(["γ chosen, median of the folds", *(_median_gamma(found["methods"][PRIOR]) for _, found in studies)])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def list_tables(result: Mapping[str, Any]) -> dict[str, str]:
    """Return every table of the guide, by what it is about."""
    studies = result["embeddings"]["studies"]
    dial = [(f"{found['bits']:g} bits", found) for found in studies.values() if found["share"] == 1.0]
    budget = [
        (f"{100 * found['share']:g} %: {found['num_training_videos']} videos", found)
        for found in studies.values()
        if found["bits"] == 1.0
    ]
    tables = {"dial": make_table(dial), "budget": make_table(budget)}
    if "rendered" in result:
        rendered = sorted(result["rendered"]["studies"].values(), key=lambda found: float(found["bits"]))
        headings = [f"{found['bits']:g} bits: {found['num_videos']} videos" for found in rendered]
        tables["rendered"] = make_table(list(zip(headings, rendered, strict=True)))
    return tables


def _score(row: Mapping[str, Any]) -> str:
    final = row["final"]
    return f"{100 * final['mean']:.1f} ± {100 * final['deviation']:.1f}"


def _gain(gain: Mapping[str, Any]) -> str:
    low, high = gain["interval"]
    text = f"{100 * gain['mean']:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
    return f"**{text}**" if low > 0 or high < 0 else text


def _median_gamma(row: Mapping[str, Any]) -> str:
    listed = sorted(float(gamma) for gamma, count in row["gammas"].items() for _ in range(count))
    return f"{listed[len(listed) // 2]:g}"
