"""How far the policy is trusted: what it earned decides its share of what is published.

Published weights are trust x policy + (1 - trust) x base. Each live day the odds of the policy are multiplied by
1 + eta a, where a = (1 + policy's return) / (1 + base's return) - 1, and trust is odds / (1 + odds), at most the cap.

Why it is safe. By Bernoulli's inequality (1 + trust a)^eta >= 1 + eta trust a, which is the factor by which
1 + odds grows; so the blend's wealth over the base's, to the power of eta, is at least the product of those factors,
and that telescopes to (1 + odds at the end) / (1 + odds at the start). Odds that the cap cuts only make it larger. From
even odds and with eta = 10, the blend never has less than 0.5^(1/10) = 0.933 of what the base has; from any later day
on, never less than (1 - cap)^(1/10) = 0.794 of what it would have with the base from there. Whatever the policy does.

It holds while the policy falls behind the base by less than 1/eta a day, and for the virtual blend: before what moving
between the two costs. It needs weights that are published as they are blended: whoever projects or limits them
afterwards loses it, so both experts respect the bounds by themselves. And it needs one long run: whoever starts again
with every new model pays the price once for each.
"""

from __future__ import annotations

from math import exp, log, log1p
from typing import NamedTuple

import numpy as np

from ai.smoothing import FloatArray

LEAST_FACTOR = 0.05
"""What a day leaves of the odds at least, however bad: they are never lost for good. With eta = 10, a day on which the
policy falls 9.5% or more behind the base counts as 9.5%; the floors above do not hold across such a day."""
_LARGEST_LOG = 700.0
"""The exponential of more is no float."""


class Terms(NamedTuple):
    """By which trust moves."""

    start: float = 0.5
    cap: float = 0.9
    eta: float = 10.0


class Evidence(NamedTuple):
    """What the live days so far say for the policy."""

    log_odds: float
    """Of trust. They stop at those of the cap, so that bad days count at once, whatever went before."""
    log_evidence: float = 0.0
    """The same from even odds and without a cap."""

    @classmethod
    def before_any(cls, terms: Terms) -> Evidence:
        return cls(_log_odds(terms.start))

    def after(self, ahead: float, terms: Terms) -> Evidence:
        """A live day later, on which the policy's wealth grew by `ahead` more than the base's: see `advantage`."""
        change = log(LEAST_FACTOR) if terms.eta * ahead <= LEAST_FACTOR - 1.0 else log1p(terms.eta * ahead)
        return Evidence(min(self.log_odds + change, _log_odds(terms.cap)), self.log_evidence + change)

    def trust(self, terms: Terms) -> float:
        """The policy's share."""
        odds = _exp(self.log_odds)
        return min(odds / (1.0 + odds), terms.cap)

    @property
    def e_value(self) -> float:
        """At 19 or more there is 5% evidence that the policy is better, on whichever day one looks."""
        return _exp(self.log_evidence)


def advantage(policy_return: float, base_return: float) -> float:
    """By how much more one expert's wealth grew than the other's; both returns over -1."""
    return (1.0 + policy_return) / (1.0 + base_return) - 1.0


def blend(trust: float | FloatArray, policy: FloatArray, base: FloatArray, floor: float, cap: float) -> FloatArray:
    """What is published: weights (..., 8) of both experts within the bounds, mixed, and nothing else. trust: (..., 1).

    A mixture is within the bounds already; clipping takes off what rounding added to them.
    """
    return np.asarray(np.clip(trust * policy + (1.0 - trust) * base, floor, cap))


def _log_odds(share: float) -> float:
    return log(share / (1.0 - share))


def _exp(logarithm: float) -> float:
    return exp(max(min(logarithm, _LARGEST_LOG), -_LARGEST_LOG))
