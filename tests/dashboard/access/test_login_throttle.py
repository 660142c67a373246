"""Login throttle: how many attempts an address has, how long it waits, and how much is remembered."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dashboard.access.login_throttle import (
    ACCOUNT_PER_MINUTE,
    PER_HOUR,
    PER_MINUTE,
    TOTAL_PER_MINUTE,
    Attempt,
    LoginThrottle,
)

START_S = 1_768_000_000.0


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function that sets the clock to so many seconds after the start."""

    def set_clock(seconds: float) -> None:
        monkeypatch.setattr("time.time", lambda: START_S + seconds)

    set_clock(0)
    return set_clock


def wait(throttle: LoginThrottle, address: str, name: str = "", device: str = "") -> int:
    """Count an attempt; return the seconds to wait, 0 if it may be made."""
    refusal = throttle.attempt(Attempt(address, name, device))
    return refusal.wait_s if refusal else 0


def test_an_address_has_a_few_attempts_and_then_waits_until_a_minute_after_the_first(
    at: Callable[[float], None],
) -> None:
    throttle = LoginThrottle()
    for number in range(PER_MINUTE):
        at(number)
        assert wait(throttle, "a") == 0
    assert wait(throttle, "a") == 60 - (PER_MINUTE - 1)
    at(59)
    assert wait(throttle, "a") == 1
    at(60.5)
    assert wait(throttle, "a") == 0


def test_refused_attempts_do_not_prolong_the_wait(at: Callable[[float], None]) -> None:
    throttle = LoginThrottle()
    for _ in range(1000):
        wait(throttle, "a")
    at(60.5)
    assert wait(throttle, "a") == 0


def test_patient_guessing_is_limited_by_the_hour(at: Callable[[float], None]) -> None:
    throttle = LoginThrottle()
    accepted = 0
    for second in range(0, 3600, 5):
        at(second)
        accepted += wait(throttle, "a") == 0
    assert accepted == PER_HOUR
    assert wait(throttle, "a") <= 60
    at(3600.5)
    assert wait(throttle, "a") == 0


def test_one_address_does_not_use_up_the_attempts_of_another(at: Callable[[float], None]) -> None:
    throttle = LoginThrottle()
    for _ in range(10 * TOTAL_PER_MINUTE):
        wait(throttle, "a")
    assert wait(throttle, "a") > 0
    assert wait(throttle, "b") == 0


def test_right_passwords_are_not_counted(at: Callable[[float], None]) -> None:
    throttle = LoginThrottle()
    for _ in range(2 * TOTAL_PER_MINUTE):
        assert wait(throttle, "a") == 0
        throttle.succeeded(Attempt("a"))


def test_a_right_password_takes_no_wrong_attempt_back(at: Callable[[float], None]) -> None:
    throttle = LoginThrottle()
    for _ in range(PER_MINUTE - 1):
        wait(throttle, "a")
        wait(throttle, "a")
        throttle.succeeded(Attempt("a"))
    assert wait(throttle, "a") == 0
    assert wait(throttle, "a") == 60


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
        wait(throttle, one)
    assert (wait(throttle, other) > 0) is together


def test_all_addresses_together_have_a_limit_that_bounds_the_memory(at: Callable[[float], None]) -> None:
    throttle = LoginThrottle()
    waits = [wait(throttle, f"address {number}") for number in range(5000)]
    assert waits.count(0) == TOTAL_PER_MINUTE
    assert set(waits[TOTAL_PER_MINUTE:]) == {60}
    assert len(throttle._storage.storage) == 1 + 2 * TOTAL_PER_MINUTE
    at(60.5)
    assert wait(throttle, "another address") == 0


def test_guesses_at_an_account_from_many_addresses_slow_down_unknown_devices_alone(at: Callable[[float], None]) -> None:
    throttle = LoginThrottle()
    waits = [wait(throttle, f"10.0.0.{number}", "maria") for number in range(50)]
    assert waits == [0] * ACCOUNT_PER_MINUTE + [60] * (50 - ACCOUNT_PER_MINUTE)
    assert wait(throttle, "10.0.0.99", "maria", "her device") == 0
    assert wait(throttle, "10.0.0.99", "vera") == 0


def test_a_known_device_has_attempts_of_its_own_and_no_more_than_an_address(at: Callable[[float], None]) -> None:
    throttle = LoginThrottle()
    for number in range(5 * TOTAL_PER_MINUTE):
        wait(throttle, f"10.0.{number // 256}.{number % 256}", "maria")
    waits = [wait(throttle, "10.0.0.0", "maria", "her device") for _ in range(PER_MINUTE + 1)]
    assert waits == [0] * PER_MINUTE + [60]
