"""Which tensors an engine wants."""

import pytest

from inflight.messages import WantRule
from inflight.wants import EVERYTHING, WantError, Wants, parse_wants


def test_a_rank_of_experts_wants_its_own_and_all_that_is_no_expert():
    wants = parse_wants("*.experts.3.*,*.experts.4.*,!*.experts.*")
    assert wants.take("model.layers.0.mlp.experts.3.up_proj.weight")
    assert not wants.take("model.layers.0.mlp.experts.33.up_proj.weight")
    assert wants.take("model.layers.0.mlp.gate.weight")


def test_an_engine_of_adapters_wants_nothing_else():
    wants = parse_wants("*.lora_*,!*")
    assert wants == Wants((WantRule("*.lora_*", True), WantRule("*", False)))
    assert wants.take("model.layers.0.q_proj.lora_A.weight")
    assert not wants.take("model.layers.0.q_proj.weight")


def test_without_rules_everything_is_wanted():
    assert parse_wants("") == EVERYTHING
    assert EVERYTHING.take("anything")


def test_rules_are_bounded():
    for text in ("a,,b", "!", "\u00fc" * 129):
        with pytest.raises(WantError, match="a pattern has 1 to 256 bytes"):
            parse_wants(text)
    with pytest.raises(WantError, match="513 rules"):
        parse_wants(",".join("a" * 513))
