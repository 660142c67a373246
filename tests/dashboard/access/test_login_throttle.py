"""Login throttle: how many attempts an address has, how long it waits, and how much is remembered."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dashboard.access.login_throttle import PER_HOUR, PER_MINUTE, TOTAL_PER_MINUTE, LoginThrottle

START_S = 1_768_000_000.0


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that sets the clock to so many seconds after the start."""

    def set_clock(seconds: float) -> None:
        monkeypatch.setattr("time.time", lambda: START_S + seconds)

    set_clock(0)
    return set_clock


def test_an_address_has_a_few_attempts_and_then_waits_until_a_minute_after_the_first(
    at: Callable[[float], None],
) -> None:
    throttle = LoginThrottle()
    for number in range(PER_MINUTE):
        at(number)
        assert throttle.attempt("a") == 0
    assert throttle.attempt("a") == 60 - (PER_MINUTE - 1)
    at(59)
    assert throttle.attempt("a") == 1
    at(60.5)
    assert throttle.attempt("a") == 0


def test_refused_attempts_do_not_prolong_the_wait(at: Callable[[float], None]) -> None:
    throttle = LoginThrottle()
    for _ in range(1000):
        throttle.attempt("a")
    at(60.5)
    assert throttle.attempt("a") == 0


def test_patient_guessing_is_limited_by_the_hour(at: Callable[[float], None]) -> None:
    throttle = LoginThrottle()
    accepted = 0
    for second in range(0, 3600, 5):
        at(second)
        accepted += throttle.attempt("a") == 0
    assert accepted == PER_HOUR
    assert throttle.attempt("a") <= 60
    at(3600.5)
    assert throttle.attempt("a") == 0


def test_one_address_does_not_use_up_the_attempts_of_another(at: Callable[[float], None]) -> None:
    throttle = LoginThrottle()
    for _ in range(10 * TOTAL_PER_MINUTE):
        throttle.attempt("a")
    assert throttle.attempt("a") > 0
    assert throttle.attempt("b") == 0


def test_right_passwords_are_not_counted(at: Callable[[float], None]) -> None:
    throttle = LoginThrottle()
    for _ in range(2 * TOTAL_PER_MINUTE):
        assert throttle.attempt("a") == 0
        throttle.succeeded("a")


def test_a_right_password_takes_no_wrong_attempt_back(at: Callable[[float], None]) -> None:
    throttle = LoginThrottle()
    for _ in range(PER_MINUTE - 1):
        throttle.attempt("a")
        throttle.attempt("a")
        throttle.succeeded("a")
    assert throttle.attempt("a") == 0
    assert throttle.attempt("a") == 60


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
        ("10.0.0.1", "10.0.0.2", False),
    ],
)
def test_the_addresses_of_an_ipv6_network_count_together(
    one: str, other: str, together: bool, at: Callable[[float], None]
) -> None:
    throttle = LoginThrottle()
    for _ in range(PER_MINUTE):
        throttle.attempt(one)
    assert (throttle.attempt(other) > 0) is together


def test_all_addresses_together_have_a_limit_that_bounds_the_memory(at: Callable[[float], None]) -> None:
    throttle = LoginThrottle()
    waits = [throttle.attempt(f"address {number}") for number in range(5000)]
    assert waits.count(0) == TOTAL_PER_MINUTE
    assert set(waits[TOTAL_PER_MINUTE:]) == {60}
    assert len(throttle._storage.storage) == 1 + 2 * TOTAL_PER_MINUTE
    at(60.5)
    assert throttle.attempt("another address") == 0
