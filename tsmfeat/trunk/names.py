"""Names of trunks: the plain ones of temporal shift trunks, and those with a prefix that says who builds them."""

import re

from tsmfeat.errors import ConfigurationError, did_you_mean
from tsmfeat.trunk.specs import SPECS

TRUNKS = tuple(SPECS)
TIMM, HF, PYTHON = "timm", "hf", "python"
PREFIXES = (TIMM, HF, PYTHON)
FORMS = ("timm:NAME", "hf:NAME", "python:module:function")

_FUNCTION = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
# A name on the Hugging Face hub has one slash, and does not begin as a path does.
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)
_LOOKS_LIKE_TIMM = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+(\.[a-z0-9_]+)?", re.ASCII)


def split_trunk(name: str) -> tuple[str, str]:
    """Return the prefix of a trunk's name, empty for a temporal shift trunk, and what stands behind it.

    Examples
    --------
    >>> split_trunk("resnet50"), split_trunk("timm:vit_tiny_patch16_224"), split_trunk("python:mine:build")
    (('', 'resnet50'), ('timm', 'vit_tiny_patch16_224'), ('python', 'mine:build'))
    """
    prefix, colon, rest = name.partition(":")
    return (prefix, rest) if colon else ("", name)


def name_in_spec(name: str) -> str:
    """Return a trunk's name as its features record it: of a local folder of ``hf:`` the folder's own name.

    Where a folder lies is no part of what it holds.

    Examples
    --------
    >>> name_in_spec("hf:/models/videomae-base/"), name_in_spec("hf:MCG-NJU/videomae-base"), name_in_spec("resnet50")
    ('hf:videomae-base', 'hf:MCG-NJU/videomae-base', 'resnet50')
    """
    prefix, rest = split_trunk(name)
    if prefix != HF or is_hub_name(rest):
        return name
    parts = [part for part in rest.split("/") if part not in ("", ".", "..", "~")]
    return f"{HF}:{parts[-1]}" if parts else name


def is_hub_name(name: str) -> bool:
    """Tell whether a text can be a name on the Hugging Face hub; other texts are paths.

    Examples
    --------
    >>> is_hub_name("facebook/vjepa2-vitl-fpc64-256"), is_hub_name("./videomae"), is_hub_name("a/b/c")
    (True, False, False)
    """
    return _HUB_NAME.fullmatch(name) is not None


def require_trunk_name(name: str) -> None:
    """Refuse a name that neither a temporal shift trunk has, nor a prefix can lead to another.

    Raises
    ------
    ConfigurationError
        Names the nearest trunk, the prefix that is lacking, or all choices.

    Examples
    --------
    >>> require_trunk_name("vit_tiny_patch16_224")
    Traceback (most recent call last):
    ...
    tsmfeat.errors.ConfigurationError: trunk 'vit_tiny_patch16_224' is not known (hint: if it is timm's, write timm:vit_tiny_patch16_224)
    """  # noqa: E501 - one message, one line
    if name in TRUNKS:
        return
    prefix, rest = split_trunk(name)
    if not prefix:
        raise ConfigurationError(f"trunk {name!r} is not known", _plain_hint(name))
    if prefix not in PREFIXES:
        hint = did_you_mean(prefix, PREFIXES) or "choose one of " + ", ".join(FORMS)
        raise ConfigurationError(f"trunk {name!r}: prefix {prefix!r} is not known", hint)
    if not rest.strip() or not rest.isprintable() or (prefix == PYTHON and not _FUNCTION.fullmatch(rest)):
        raise ConfigurationError(f"trunk {name!r} names nothing", f"write it as {FORMS[PREFIXES.index(prefix)]}")


def _plain_hint(name: str) -> str:
    if near := did_you_mean(name, TRUNKS):
        return near
    if "/" in name:
        return f"if it is a model of the Hugging Face hub or a folder, write hf:{name}"
    if _LOOKS_LIKE_TIMM.fullmatch(name):
        return f"if it is timm's, write timm:{name}"
    return "choose one of " + ", ".join((*TRUNKS, *FORMS))
