"""Who is promoted: hardly anybody, and never by what it has seen."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.policies_of_strength import policy_with

from ai.course import EQUAL, Course, hold
from ai.histories import History, simulated
from ai.policy import DEFAULT_GROUPS, Policy, input_size, untrained
from ai.promotion import LEAST_BEFORE_TEST, LEAST_DAYS, Verdict, deflated, examine, judge, split, too_short
from contract.config import BadSetting, Promotion
from trading.metrics import sharpe
from trading.rebalancing import Rules

DEFAULTS = Promotion()
RULES = Rules()
QUICK = replace(DEFAULTS, draws=200)
few = settings(derandomize=True, deadline=None, max_examples=200)

promotions = st.builds(
    lambda least, more, validation, purge: Promotion(
        test_days=least + more, min_test_days=least, validation_days=validation, purge_days=purge
    ),
    st.integers(2, 400),
    st.integers(0, 400),
    st.integers(2, 400),
    st.integers(0, 60),
)


# The split.


@few
@given(st.integers(LEAST_DAYS, 10_000), promotions)
def test_no_day_near_a_test_day_is_learnt_from_or_chosen_by(days: int, promotion: Promotion) -> None:
    training, validation, test = split(days, promotion)
    assert 0 == training.start < training.stop <= validation.start < validation.stop <= days
    if test:
        assert test.stop == days and promotion.min_test_days <= len(test) <= promotion.test_days
        assert test.start - validation.stop == promotion.purge_days
        assert validation.start - training.stop == min(promotion.purge_days, validation.stop // 4)
        assert len(validation) <= promotion.validation_days
    assert bool(test) == (too_short(days, promotion) == "")


@few
@given(st.integers(480, 10_000))
def test_by_default_thirty_days_part_all_three(days: int) -> None:
    training, validation, test = split(days, DEFAULTS)
    assert validation.start - training.stop == test.start - validation.stop == 30
    assert 250 <= len(test) <= 500


def test_a_history_that_is_too_short_is_learnt_from_and_not_examined_on() -> None:
    shortest = DEFAULTS.min_test_days + DEFAULTS.purge_days + LEAST_BEFORE_TEST
    assert len(split(shortest, DEFAULTS).test) == 250
    assert split(shortest - 1, DEFAULTS).test == range(479, 479)
    assert too_short(shortest - 1, DEFAULTS) == "479 days are too few to examine a candidate on: 480 are needed"
    assert split(LEAST_DAYS, DEFAULTS)[:2] == (range(20), range(30, 40))


# The gate.


def course(net: np.ndarray, turnover: float = 0.05) -> Course:
    return Course(np.tile(EQUAL, (len(net) + 1, 1)), net, np.full(len(net), turnover))


def noise(days: int = 400, seed: int = 1, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 0.01, days)


def verdict(candidate: Course, service: Course, prior: Course | None = None, promotion: Promotion = QUICK) -> Verdict:
    prior = service if prior is None else prior
    return judge(candidate, service, prior, promotion, np.random.default_rng(3), [0.5, 1.0])


def test_one_that_is_equal_to_the_model_in_service_is_refused() -> None:
    found = verdict(course(noise()), course(noise()))
    assert not found.promoted
    assert found.service.difference == found.service.lower_bound == 0.0
    assert found.reason == "not shown to be better than the model in service: Sharpe ratio +0.00, at least +0.00 at 90%"


def test_one_that_is_better_beyond_doubt_is_promoted() -> None:
    found = verdict(course(noise() + 0.002), course(noise()))
    assert found.promoted
    assert found.service.lower_bound > 0.0 and found.prior == found.service
    assert found.sharpe == pytest.approx(float(sharpe(noise() + 0.002)))
    assert found.sharpe - found.service.sharpe == pytest.approx(found.service.difference)
    assert found.reason.startswith("better than the model in service: Sharpe ratio +3.")


def test_it_has_to_be_better_than_the_prior_as_well() -> None:
    found = verdict(course(noise() + 0.002), course(noise()), course(noise() + 0.002))
    assert not found.promoted
    assert found.service.lower_bound > 0.0 and found.prior.lower_bound == 0.0
    assert found.reason.startswith("not shown to be better than the prior: ")


def test_luck_is_rarely_promoted_and_skill_that_shows_often_is() -> None:
    lucky = sum(verdict(course(noise(250, 2 * n)), course(noise(250, 2 * n + 1))).promoted for n in range(100))
    skilled = sum(
        verdict(course(noise(500, 2 * n, 0.003)), course(noise(500, 2 * n + 1))).promoted for n in range(40)
    )
    assert lucky <= 18, "about 10 in 100"
    assert skilled >= 38


values = st.sampled_from([nan, inf, -inf]) | st.floats(-1e6, 1e6)


@few
@given(values, st.integers(0, 399), st.sampled_from(["net", "weights"]))
def test_what_is_not_finite_never_passes(value: float, day: int, where: str) -> None:
    better = course(noise() + 0.002)
    getattr(better, where)[day] = value
    found = verdict(better, course(noise()), promotion=replace(DEFAULTS, draws=100))
    assert isfinite(value) or not found.promoted
    assert all(isfinite(figure) for figure in found.figures().values() if isinstance(figure, float))


def test_an_unknown_day_of_the_model_in_service_is_no_reason_to_replace_it() -> None:
    unknown = noise()
    unknown[7] = nan
    assert not verdict(course(noise() + 0.002), course(unknown)).promoted


def test_too_few_test_days_are_too_few_however_good_it_looks() -> None:
    found = verdict(course(noise(249) + 0.01), course(noise(249)))
    assert (found.promoted, found.reason) == (False, "examined on 249 days, fewer than 250")
    assert verdict(course(noise(250) + 0.01), course(noise(250))).promoted


def test_one_that_puts_all_it_may_on_two_strategies_is_refused() -> None:
    better = course(noise() + 0.002)
    better.weights[:] = [0.35, 0.35, 0.18, 0.02, 0.02, 0.02, 0.04, 0.02]
    found = verdict(better, course(noise()))
    assert (found.promoted, found.reason) == (
        False,
        "its weights are worth 3.56 strategies in the mean, fewer than 3.6",
    )


def test_one_that_trades_too_much_is_refused() -> None:
    found = verdict(course(noise() + 0.002, turnover=0.3), course(noise()))
    assert (found.promoted, found.reason) == (False, "it trades 0.300 a day, more than 0.25")


def test_the_same_seed_is_the_same_verdict() -> None:
    assert verdict(course(noise(seed=1)), course(noise(seed=2))) == verdict(
        course(noise(seed=1)), course(noise(seed=2))
    )


def test_more_trials_deflate_more() -> None:
    net = noise(500, mean=0.0008)
    few_trials, many = ([0.0, 1.0] * n for n in (1, 50))
    assert deflated(net, [1.0]) > deflated(net, few_trials) > deflated(net, many)
    assert np.isnan(deflated(net, []))


# Policies over days.


def world(days: int = 600, seed: int = 5) -> History:
    """Two strategies at a time are good, for two months or so."""
    rng = np.random.default_rng(seed)
    regime = np.cumsum(rng.random(days) < 1 / 60) % 4
    means = np.full((days, 8), -1.0)
    means[np.arange(days), 2 * regime] = means[np.arange(days), 2 * regime + 1] = 4.0
    return simulated((means / np.sqrt(252) + rng.normal(size=(days, 8))) * 0.01)


def contrary() -> Policy:
    return policy_with(-1.0)


def examined(candidate: Policy, service: Policy, prior: Policy, test: History) -> Verdict:
    return examine(candidate, service, prior, test, RULES, QUICK, np.random.default_rng(1), [1.0, 2.0])


def test_a_policy_that_follows_what_is_good_replaces_one_that_flees_it() -> None:
    bad = contrary()
    found = examined(untrained(), bad, bad, world())
    assert found.promoted and found.test_days == 600 and found.trials == 2
    figures = found.figures()
    assert figures["service_lower_bound"] == found.service.lower_bound
    assert set(figures) == {
        *("test_days", "test_sharpe", "effective_number", "turnover", "deflated_sharpe", "trials"),
        *(f"{who}_{what}" for who in ("service", "prior") for what in found.service._asdict()),
    }
    assert not examined(bad, untrained(), untrained(), world()).promoted


def test_what_the_prior_does_as_well_is_not_promoted_over_a_bad_model_in_service() -> None:
    found = examined(untrained(), contrary(), untrained(), world())
    assert not found.promoted and found.service.lower_bound > 0.0


def test_a_policy_whose_network_overflows_is_refused() -> None:
    first = np.full((input_size("shared", DEFAULT_GROUPS), 1), 1e308), np.zeros(1)
    last = np.full((1, 1), inf), np.full(1, nan)
    found = examined(replace(untrained(), layers=(first, last)), untrained(), untrained(), world())
    assert not found.promoted
    assert found.reason.startswith("what it wants are no weights")
    assert set(found.figures()) == {"test_days", "trials"}


@pytest.mark.parametrize(
    "setting",
    [
        *({"min_test_days": 1}, {"test_days": 249}, {"validation_days": 1}, {"purge_days": -1}, {"level": 0.4}),
        *({"level": 1.0}, {"draws": 99}, {"mean_block": 0.5}, {"least_effective": 8.5}, {"most_turnover": 0.0}),
    ],
    ids=str,
)
def test_a_gate_that_would_be_none_is_refused_by_name(setting: dict[str, Any]) -> None:
    with pytest.raises(BadSetting, match=rf"promotion\.{next(iter(setting))} is "):
        Promotion(**setting)


def test_equal_weights_are_diverse() -> None:
    test = world()
    bad = hold(test, RULES)
    found = judge(bad, bad, bad, QUICK, np.random.default_rng(0))
    assert found.effective_number == pytest.approx(8.0)
