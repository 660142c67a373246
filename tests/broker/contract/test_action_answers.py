"""Several processors answer one action; who asked sees one outcome."""

from __future__ import annotations

from broker.contract.action_answers import Answers
from broker.contract.actions import Acknowledge, Outcome, Retire


def acknowledge(*alarms: str) -> Acknowledge:
    return Acknowledge(id="a", alarms=list(alarms), who="nurse", at=1)


def says(part: int, done: int, refused: int, text: str, parts: int = 3) -> Outcome:
    return Outcome(id="a", done=done, refused=refused, text=text, part=part, parts=parts)


def test_the_owner_of_all_that_is_named_answers_for_all():
    answers = Answers(acknowledge("P/hot/1"))
    assert answers.add(says(0, 0, 0, "")) is None
    found = answers.add(says(2, 1, 0, "Acknowledged 1 alarm."))
    assert found is not None
    assert (found.done, found.text) == (1, "Acknowledged 1 alarm.")


def test_a_single_processor_answers_at_once_even_if_it_did_nothing():
    assert Answers(acknowledge("P/hot/1")).add(says(0, 0, 0, "Already done.", parts=1)) is not None


def test_owners_of_a_part_each_become_one_outcome():
    answers = Answers(acknowledge("P/hot/1", "Q/hot/1", "R/hot/1", "gone/hot/1"))
    assert answers.add(says(0, 1, 0, "Acknowledged 1 alarm.")) is None
    assert answers.add(says(0, 1, 0, "Acknowledged 1 alarm.")) is None, "a repeated answer"
    assert answers.add(says(1, 1, 1, "Acknowledged 1 alarm. 1 refused: already acknowledged by Bo.")) is None
    found = answers.add(says(2, 0, 0, ""))
    assert found is not None
    assert (found.done, found.refused) == (2, 2)
    assert found.text == (
        "Done: 2 of 4. Acknowledged 1 alarm. 1 refused: already acknowledged by Bo. "
        "1 refused: no longer open, or unknown."
    )


def test_nobody_knows_the_alarm():
    answers = Answers(acknowledge("gone/hot/1"))
    outcomes = [answers.add(says(part, 0, 0, "")) for part in range(3)]
    assert outcomes[:2] == [None, None]
    assert outcomes[2] is not None
    assert not outcomes[2].ok
    assert "no longer open" in outcomes[2].text


def test_a_range_without_an_owner_is_named_as_missing():
    answers = Answers(Retire(id="a", pumps=["P", "Q"], who="nurse", at=1, why="explanted"))
    answers.add(says(0, 1, 0, "Retired 1 pump."))
    answers.add(says(1, 0, 0, ""))
    outcome = answers.outcome()
    assert (outcome.done, outcome.refused) == (1, 0)
    assert outcome.text.startswith("Retired 1 pump. 1 of the processors did not answer")


def test_answers_to_other_actions_are_not_counted():
    assert Answers(acknowledge("P/hot/1")).add(Outcome(id="b", done=1, refused=0, text="")) is None


def test_a_finding_that_two_ranges_have_is_counted_once():
    answers = Answers(acknowledge("lot B/shift/1", "P/hot/1"))
    answers.add(says(0, 1, 0, "Acknowledged 1 alarm."))
    answers.add(says(1, 1, 0, "Acknowledged 1 alarm."))
    found = answers.add(says(2, 1, 0, "Acknowledged 1 alarm."))
    assert found is not None
    assert found.done == 2
