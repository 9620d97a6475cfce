"""What `inspect` found, as people read it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tsmfeat.priors.information import LEAST_BITS as _LEAST_BITS

_MOST_VIDEOS = 20
_MOST_CLASSES = 20

Found = Mapping[str, Any]


def describe(found: Found, verbose: bool) -> str:
    """Return the lines that tell of a file.

    Parameters
    ----------
    found
        What `tsmfeat.workflows.inspect` returned.
    verbose
        Whether every video and class is listed.
    """
    if "video" in found:
        return "\n".join([f"{found['path']}: one video of {found['kind']}", *_fields(found["video"])])
    return "\n".join(_WRITERS[found["kind"]](found, verbose))


def _features(found: Found, verbose: bool) -> list[str]:
    lines = [
        f"features, format version {found['version']}: {found['num_videos']:,} videos, "
        f"{found['num_intervals']:,} intervals, {found['embedding_size']} numbers each"
    ]
    rows = [
        f"{video['video_id']:<32}{video['num_intervals']:>8} intervals"
        f"{video['duration_seconds']:>12.3f} s  {video['status']}"
        for video in found["videos"]
    ]
    return [*lines, *_fields(found["spec"]), *_shortened(rows, _MOST_VIDEOS, verbose)]


def _heads(found: Found, verbose: bool) -> list[str]:
    judged = found["validation"]
    score = "none" if judged is None else f"{judged['final_score']:.4f}"
    lines = [
        f"{found['head']} heads, version {found['version']}: {' and '.join(found['tasks'])}, "
        f"{len(found['classes'])} classes, {len(found['scenes'])} scenes; validation final score {score}"
    ]
    lines += [*_specs([found["spec"], *found["joined"]]), "options", *_fields(found["options"])]
    if verbose:
        lines += ["record", *_fields(found["record"])]
    lines += ["classes", *_shortened([f"  {name}" for name in found["classes"]], _MOST_CLASSES, verbose)]
    return lines + (["scenes", *(f"  {name}" for name in found["scenes"])] if found["scenes"] else [])


def _specs(specs: list[Found | None]) -> list[str]:
    """Show the identity of features, one for each view that is joined."""
    shown = []
    for number, spec in enumerate(specs):
        which = "" if len(specs) == 1 else f", view {number + 1} of {len(specs)}"
        shown += [f"spec of the features{which}", *_fields(spec or {"": "unknown"})]
    return shown


def _interval_scores(found: Found, verbose: bool) -> list[str]:
    lines = [
        f"interval scores, version {found['version']}: {found['num_videos']:,} videos, {found['num_intervals']:,} "
        f"intervals of {found['step_seconds']:g} s, {len(found['classes'])} classes, {len(found['scenes'])} scenes"
    ]
    lines += _fields({name: found[name] for name in ("dtype", "num_undefined")})
    # How often each action occurs in each scene is a table of its own.
    record = {name: value for name, value in found["record"].items() if verbose or name != "counts"}
    specs = found["spec"] if isinstance(found["spec"], list) else [found["spec"]]
    lines += [*_specs(specs), "record", *_fields(record)]
    lines += ["classes", *_shortened([f"  {name}" for name in found["classes"]], _MOST_CLASSES, verbose)]
    lines += ["scenes", *(f"  {name}" for name in found["scenes"])] if found["scenes"] else []
    rows = [
        f"{video['video_id']:<32}{video['num_intervals']:>8} intervals  {_seconds(video['duration_seconds']):>12}"
        for video in found["videos"]
    ]
    return lines + _shortened(rows, _MOST_VIDEOS, verbose)


def _trunk(found: Found, verbose: bool) -> list[str]:
    lines = [
        f"trunk checkpoint, {found['form']} file: {found['num_tensors']:,} tensors, {found['num_numbers']:,} numbers, "
        f"{found['num_bytes']:,} bytes"
    ]
    lines += _fields({name: found[name] for name in ("trunk", "layout", "placement", "sha256", "dtypes")})
    return [*lines, *(f"  {key}" for key in found["keys"])]


def _annotations(found: Found, verbose: bool) -> list[str]:
    lines = [
        f"annotations, {found['format']}: {found['num_videos']:,} videos, {found['num_segments']:,} segments, "
        f"{len(found['classes'])} classes, {len(found['scenes'])} scenes"
    ]
    lines += _fields(
        {
            "subsets": found["subsets"],
            "durations": f"{found['num_known_durations']:,} known, {found['total_duration_seconds'] / 3600:.2f} h",
            "segment_seconds": found["segment_seconds"],
            "coverage": _share(found["coverage"]),
            "scenes": found["scenes"],
            **_scene_information(found["scene_information"]),
        }
    )
    rows = [
        f"{video['video_id']:<32}{video['num_segments']:>6} segments  {_seconds(video['duration_seconds']):>12}  "
        f"{video['subset']}"
        for video in found["videos"]
    ]
    return [*lines, *_classes(found, verbose), *_shortened(rows, _MOST_VIDEOS, verbose)]


def _scene_information(told: Found | None) -> dict[str, str]:
    if told is None:
        return {}
    worth = f"worth a try; {_LEAST_BITS:g} bits are the least that can help"
    verdict = worth if told["is_worth_using"] else f"to be skipped: below {_LEAST_BITS:g} bits they cannot help actions"
    return {
        "H(action)": f"{told['action_bits']:.2f} bits, {told['num_instances']:,} instances in videos with a scene",
        "H(action | scene)": f"{told['action_given_scene_bits']:.2f} bits",
        "I(action; scene)": f"{told['information_bits']:.2f} bits as counted, about {told['bias_bits']:.2f} too many: "
        "the fewer instances, the more it flatters",
        "scenes tell": f"{told['corrected_bits']:.2f} of {told['action_bits']:.2f} bits of an action, so corrected",
        "scenes are": verdict,
    }


def _predictions(found: Found, verbose: bool) -> list[str]:
    lines = [
        f"predictions, {found['format']}: {found['num_videos']:,} videos, {found['num_segments']:,} segments, "
        f"{len(found['classes'])} classes"
    ]
    lines += _fields(
        {
            "score_range": found["score_range"],
            "tied_share": f"{found['tied_share']:.1%}",
            "segment_seconds": found["segment_seconds"],
            "coverage": _share(found["coverage"]),
            "scenes": found["scenes"],
        }
    )
    rows = [
        f"{video['video_id']:<32}{video['num_segments']:>6} segments  to {_seconds(video['last_end_seconds']):>12}"
        for video in found["videos"]
    ]
    return [*lines, *_classes(found, verbose), *_shortened(rows, _MOST_VIDEOS, verbose)]


def _failures(found: Found, verbose: bool) -> list[str]:
    lines = [f"failures: {found['num_videos']:,} videos that could not be extracted"]
    rows = [f"{video['video_id']:<32}{video['stage']:<8}{video['reason']}" for video in found["videos"]]
    return lines + _shortened(rows, _MOST_VIDEOS, verbose)


def _video(found: Found, verbose: bool) -> list[str]:
    rate = "no rate" if found["frame_rate"] is None else f"{found['frame_rate']:.3f} frames/s"
    kind = "variable" if found["variable_frame_rate"] else "constant"
    lines = [
        f"video: {found['codec']} in {found['container']}, {found['width']}×{found['height']}, {rate} ({kind}), "
        f"{found['duration_seconds']:.3f} s"
    ]
    left_out = {"kind", "path", "container", "codec", "width", "height", "frame_rate", "variable_frame_rate"}
    return lines + _fields({name: value for name, value in found.items() if name not in left_out})


_WRITERS: dict[str, Callable[[Found, bool], list[str]]] = {
    "features": _features,
    "heads": _heads,
    "interval-scores": _interval_scores,
    "trunk": _trunk,
    "annotations": _annotations,
    "predictions": _predictions,
    "failures": _failures,
    "video": _video,
}


def _classes(found: Found, verbose: bool) -> list[str]:
    rows = [
        f"  {row['label']:<30}{row['num_segments']:>8} segments {row['seconds']:>12,.1f} s" for row in found["classes"]
    ]
    return ["classes", *_shortened(rows, _MOST_CLASSES, verbose)]


def _fields(values: Found) -> list[str]:
    return [f"  {name:<17} {_word(value)}" for name, value in values.items()]


def _word(value: object) -> str:
    match value:
        case None | "":
            return "-"
        case dict():
            return ", ".join(f"{name or '-'}: {_word(item)}" for name, item in value.items()) or "-"
        case list() if value and isinstance(value[0], dict):
            return "".join(f"\n    {_word(item)}" for item in value)
        case list():
            return ", ".join(map(_word, value)) or "-"
        case float():
            return f"{value:.6g}"
        case _:
            return str(value)


def _share(value: float | None) -> str:
    return "unknown: no durations" if value is None else f"{value:.1%} of the time"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f} s"


def _shortened(rows: Sequence[str], most: int, verbose: bool) -> list[str]:
    shown = list(rows if verbose else rows[:most])
    more = len(rows) - len(shown)
    return shown + ([f"... and {more:,} more (--verbose shows all)"] if more else [])
