"""What a policy would have done with a history: one pass, by the rules by which the live system moves.

The weights of a day follow from its morning's features and from the weights of the day before. For a policy that does
not look at the account's own path, all days are one batch until the step from one day's weights to the next.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ai.account import AccountState, portfolio_features
from ai.feature_table import PORTFOLIO, whole_rows
from ai.histories import History
from ai.policy import Policy
from ai.smoothing import FloatArray
from contract.config import Config
from contract.schema.names import STRATEGIES
from trading.rebalancing import Rules, earn, follow

EQUAL = np.full(len(STRATEGIES), 1.0 / len(STRATEGIES))


class Course(NamedTuple):
    weights: FloatArray
    """(days + 1, 8): in force on each day, and for the day after the last."""
    net: FloatArray
    """(days,) return after costs."""
    turnover: FloatArray
    """(days,) L1 distance traded at the start of each day."""


def rules_of(config: Config) -> Rules:
    """How weights move by the settings: for training, replay and the live system alike."""
    bounds, rebalancing = config.bounds, config.rebalancing
    return Rules(bounds.floor, bounds.cap, rebalancing.inertia, rebalancing.max_turnover, rebalancing.cost_bps)


def run(policy: Policy, history: History, rules: Rules, before: FloatArray = EQUAL) -> Course:
    """The course of a policy over a history, which begins from weights before (8,)."""
    if policy.sees_account:
        weights = _day_by_day(policy, history, rules, before)
    else:
        weights = follow(policy.wanted(without_account(history.features)), before, rules)
    return Course(weights, *earn(weights[:-1], history.returns, before, rules))


def hold(history: History, rules: Rules, weights: FloatArray = EQUAL) -> Course:
    """The course of constant weights (8,)."""
    path = np.tile(weights, (history.days + 1, 1))
    return Course(path, *earn(path[:-1], history.returns, weights, rules))


def without_account(shared: FloatArray) -> FloatArray:
    """Rows (..., 34) from shared features (..., 28), for a policy that does not look at the account's own six."""
    return whole_rows(shared, np.zeros((*shared.shape[:-1], PORTFOLIO.stop - PORTFOLIO.start)))


def _day_by_day(policy: Policy, history: History, rules: Rules, before: FloatArray) -> FloatArray:
    weights = np.empty((history.days + 1, len(before)))
    account = AccountState.opened(1)._replace(weights=before[np.newaxis])
    for day, shared in enumerate(history.features):
        features = whole_rows(shared[np.newaxis], portfolio_features(account, rules.floor))
        path = follow(policy.wanted(features)[np.newaxis], account.weights, rules)
        weights[day] = path[0, 0]
        if day < history.days:
            net = earn(path, history.returns[np.newaxis, day : day + 1], account.weights, rules).net[0]
            account = account.after(path[0], net)
    return weights
