"""The world that the policy learns in: histories, replayed by many accounts side by side.

Nothing that an account does changes what the days bring, so a walk needs no loop over accounts, and the only thing
that goes from day to day is the step from one day's weights to the next. Whoever decides without looking at the
account's own path can give the actions of many days at once; who does look takes walks of one day.

An action is 8 logits. Their softmax is what is wanted, and the weights follow by the rules of the live system.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ai import reward
from ai.account import AccountState, portfolio_features
from ai.course import EQUAL
from ai.feature_table import whole_rows
from ai.identity import Identity, Life
from ai.smoothing import FloatArray
from trading.metrics import drifted_weights
from trading.rebalancing import Rules, earn, follow
from trading.simplex_array import softmax

RUIN = 0.05
"""An account that has lost all but this share of its peak is at its end."""


class Walk(NamedTuple):
    """What came of the actions of some days, for each account."""

    rewards: FloatArray
    """(days, accounts)"""
    terminated: NDArray[np.bool_]
    """(days, accounts): the account is ruined. Nothing comes after that."""
    truncated: bool
    """The episode's time is up after the last of these days. Much would have come after that."""
    weights: FloatArray
    """(days, accounts, 8)"""
    net: FloatArray
    """(days, accounts): returns after costs."""
    turnover: FloatArray
    """(days, accounts)"""
    portfolio: FloatArray
    """(days, accounts, 6): the account's own features on the morning after each day."""


class ReplayEnvironment:
    """`accounts` walk through one or several lives, each from a day of its own, for `episode_days`."""

    def __init__(
        self, lives: Sequence[Life], rules: Rules, sigma: float, accounts: int, episode_days: int
    ) -> None:
        histories = [life.history for life in lives]
        self.episode_days = min(episode_days, *(history.days for history in histories))
        if self.episode_days < 1:
            raise ValueError("a history without days cannot be walked through")
        self.accounts = accounts
        self.rules, self.sigma = rules, sigma
        self._known = [life.known for life in lives]
        self._features = np.concatenate([history.features[:-1] for history in histories])
        self._last = np.stack([history.features[-1] for history in histories])
        self._returns = np.concatenate([history.returns for history in histories])
        ends = np.cumsum([history.days for history in histories])
        places = np.arange(ends[-1])
        left = ends[np.searchsorted(ends, places, side="right")] - places
        self._starts = places[left >= self.episode_days]
        self._ends = ends
        self.begin(np.zeros(accounts, dtype=np.int64))

    def reset(self, rng: np.random.Generator) -> None:
        """Put every account on a day of its own, at equal weights."""
        self.begin(rng.choice(self._starts, self.accounts))

    def begin(self, days: NDArray[np.int64]) -> None:
        """Put the accounts on these days (accounts,), counted through all histories."""
        self._day = days.copy()
        self._history = np.searchsorted(self._ends, days, side="right")
        self._walked = 0
        self._account = AccountState.opened(self.accounts)
        self._reward = reward.RewardState.at_start(self.accounts)
        self._before = np.tile(EQUAL, (self.accounts, 1))
        self.portfolio = portfolio_features(self._account, self.rules.floor)

    def ahead(self, days: int) -> FloatArray:
        """The shared features (days + 1, accounts, 28) of this morning and of the next ones."""
        place = self._day + np.arange(days + 1)[:, np.newaxis]
        rows = self._features[np.minimum(place, len(self._features) - 1)]
        behind = place == self._ends[self._history]
        rows[behind] = self._last[np.broadcast_to(self._history, place.shape)[behind]]
        return np.asarray(rows)

    def known(self) -> list[Identity]:
        """What each account knows of its strategies by name."""
        return [self._known[history] for history in self._history]

    def returns_ahead(self, days: int) -> FloatArray:
        """What this day and the next ones bring to a unit of weight (days, accounts, 8)."""
        return np.asarray(self._returns[self._day + np.arange(days)[:, np.newaxis]])

    def observation(self) -> FloatArray:
        """This morning's features (accounts, 34)."""
        return whole_rows(self.ahead(0)[0], self.portfolio)

    def walk(self, logits: FloatArray) -> Walk:
        """Take the actions logits (days, accounts, 8), a day after the other."""
        if self._walked + len(logits) > self.episode_days:
            raise ValueError(f"{len(logits)} days more than the episode's {self.episode_days}: reset first")
        returns = self.returns_ahead(len(logits))
        weights = follow(softmax(logits), self._account.weights, self.rules)
        net, turnover = earn(weights, returns, self._before, self.rules)
        self._reward, rewards = reward.walk(self._reward, net, self.sigma)
        accounts = self._account.along(weights, net)
        portfolio = portfolio_features(accounts, self.rules.floor)
        self._account = accounts.on(-1)
        self._before = drifted_weights(weights[-1], returns[-1])
        self.portfolio = portfolio[-1]
        self._day = self._day + len(logits)
        self._walked += len(logits)
        return Walk(
            rewards=rewards,
            terminated=accounts.wealth.drawdown() > 1.0 - RUIN,
            truncated=self._walked == self.episode_days,
            weights=weights,
            net=net,
            turnover=turnover,
            portfolio=portfolio,
        )
