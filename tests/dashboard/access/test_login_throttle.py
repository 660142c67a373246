"""Login throttle: how many attempts an address has, how long it waits, and how much is remembered."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dashboard.access.login_throttle import MAX_ADDRESSES, PER_HOUR, PER_MINUTE, LoginThrottle

START_S = 1_768_000_000.0


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that sets the clock to so many seconds after the start."""

    def set_clock(seconds: float) -> None:
        monkeypatch.setattr("time.time", lambda: START_S + seconds)

    set_clock(0)
    return set_clock


def test_an_address_has_a_few_attempts_and_then_waits_until_the_first_is_a_minute_old(
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
    assert throttle.attempt("a") == 1


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
    for _ in range(PER_MINUTE + 1):
        throttle.attempt("a")
    assert throttle.attempt("a") > 0
    assert throttle.attempt("b") == 0


def test_a_success_gives_an_address_all_of_its_attempts_back(at: Callable[[float], None]) -> None:
    throttle = LoginThrottle()
    for _ in range(PER_MINUTE + 1):
        throttle.attempt("a")
    throttle.clear("a")
    assert [throttle.attempt("a") for _ in range(PER_MINUTE)] == [0] * PER_MINUTE
    assert throttle.attempt("a") == 60


def test_the_memory_is_bounded_and_the_oldest_address_is_dropped_first(at: Callable[[float], None]) -> None:
    throttle = LoginThrottle()
    for _ in range(PER_MINUTE):
        throttle.attempt("address 0")
    for number in range(1, MAX_ADDRESSES + 5):
        throttle.attempt(f"address {number}")
    assert throttle.evicted == 5
    assert len(throttle._limiter.storage.events) == 2 * MAX_ADDRESSES
    assert throttle.attempt("address 0") == 0
