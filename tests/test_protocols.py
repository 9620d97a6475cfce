"""The protocol records."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tsmfeat.errors import ConfigurationError
from tsmfeat.metrics.protocols import DEFAULT_PROTOCOL, PROTOCOLS, Protocol, protocol_named


def test_the_paper_is_the_default_with_literal_thresholds():
    assert DEFAULT_PROTOCOL == "paper"
    assert protocol_named("paper") is PROTOCOLS[0]
    assert protocol_named("paper").tiou_thresholds == (0.5, 0.75, 0.95)


def test_activitynet_thresholds_are_those_of_linspace_to_the_bit():
    assert protocol_named("activitynet").tiou_thresholds == tuple(np.linspace(0.5, 0.95, 10).tolist())


def test_names_are_unique_and_every_record_says_what_it_is():
    names = [protocol.name for protocol in PROTOCOLS]
    assert len(set(names)) == len(names)
    assert all(protocol.summary for protocol in PROTOCOLS)


def test_only_the_paper_drops_invalid_segments():
    assert {protocol.name for protocol in PROTOCOLS if protocol.invalid == "drop"} == {"paper"}


def test_defaults_are_the_official_activitynet_rules():
    plain = Protocol("activitynet", protocol_named("activitynet").summary, tuple(np.linspace(0.5, 0.95, 10).tolist()))
    assert replace(plain, spelling="linspace") == protocol_named("activitynet")


@pytest.mark.parametrize(
    ("name", "hint"), [("activity-net", "did you mean 'activitynet'?"), ("zzz", "--list-protocols")]
)
def test_an_unknown_name_offers_the_nearest(name, hint):
    with pytest.raises(ConfigurationError) as caught:
        protocol_named(name)
    assert repr(name) in caught.value.message
    assert "paper, activitynet" in caught.value.message
    assert hint in caught.value.hint


def test_reading_the_names_imports_nothing_heavy():
    code = "import sys, tsmfeat.metrics.protocols; print([m for m in ('numba', 'numpy', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
