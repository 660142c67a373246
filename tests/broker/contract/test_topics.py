"""Topic tree: topics parse to what they were built from; others are rejected with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.topics import LEAVES, NAME, SHARDS, GatewayTopic, TopicError, parse, shard_of, topic_of

NAMES = st.from_regex(NAME, fullmatch=True)


@given(NAMES, st.sampled_from([leaf.name for leaf in LEAVES]), st.none() | st.integers(0, SHARDS - 1))
def test_a_topic_parses_to_what_it_was_built_from(gateway, leaf, shard):
    expected = shard_of(gateway) if shard is None else shard
    assert parse(topic_of(gateway, leaf, shard)) == GatewayTopic(expected, gateway, leaf)


@given(st.text(max_size=30))
def test_any_other_text_is_rejected_with_a_reason(text):
    with pytest.raises(TopicError, match=r".{20,}"):
        parse(text)


def test_shards_are_the_same_on_every_machine():
    assert [shard_of(name) for name in ("gateway-00", "gateway-01", "mine")] == [14, 24, 19]
    assert {shard_of(f"gateway-{number}") for number in range(2000)} == set(range(SHARDS))


@pytest.mark.parametrize("name", ["", "a/b", "a b", "+", "#", "-a", "x" * 65, "é", "a\n"])
def test_a_name_that_is_invalid_in_a_topic_is_rejected(name):
    with pytest.raises(TopicError, match="is not a valid gateway name"):
        topic_of(name, "birth")


def test_a_topic_has_only_the_known_endings():
    with pytest.raises(TopicError, match="no topic ends in 'telemetri'; allowed endings are birth, command"):
        topic_of("mine", "telemetri")


def test_birth_and_status_are_retained():
    assert {leaf.name for leaf in LEAVES if leaf.retained} == {"birth", "status"}
