"""The report: one question first, is the policy beating equal weight and how sure is that; then what it rests on.

`report` is a function of what was read. Its keys include those of the report that the ancestor wrote, and mean what
they say: a baseline that was measured, trades that are trades, nothing where nothing is known. What the pictures show
stands in it too, under `series`, so that a page can be made of the report alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import exp, log
from typing import Any, NamedTuple

import numpy as np

from ai.account import counted
from ai.course import EQUAL, rules_of
from ai.promotion import deflated
from ai.replay import Replayed
from analytics import figures
from analytics.accounts import accounts, rivals
from analytics.figures import FloatArray, known, span
from analytics.judged import Judged, judged_live, judged_replay
from analytics.ledger import EQUAL_WEIGHT, PUBLISHED, Ledger, contributions
from analytics.live_days import LiveDay
from analytics.report_series import series
from analytics.report_windows import summary, weight_evolution, window
from analytics.verdict import Verdict, judge, paired_difference
from contract.book.daily import DailyBook
from contract.config import Config
from contract.schema.fields import format_time
from contract.schema.judgement import Report, Trust
from contract.schema.model import OUTCOMES, Manifest, TrainingLog, training_values
from contract.schema.names import STRATEGIES
from trading import metrics

SEED = 0
"""Of the resampling: the same history makes the same report."""
WINDOWS = (7, 30, 90)
TRAININGS_SHOWN = 20
LIVE, REPLAY = "live", "replay"
_LARGEST_LOG = log(1e300)


class Material(NamedTuple):
    """All that a report is made of."""

    now: datetime
    config: Config
    book: DailyBook
    live: Sequence[LiveDay]
    trust: Trust | None
    log: TrainingLog
    manifest: Manifest | None
    """Of the model in service."""
    replayed: Replayed | None
    """What that model would have published on every day of the book; None without a model or without two days."""
    quarantined: Sequence[Mapping[str, str]] = ()
    """The last rows that could not be read, as they stand in state/quarantine.csv."""
    bad_rows: int = 0
    troubles: Sequence[str] = ()


def report(material: Material) -> Report:
    config, rules = material.config, rules_of(material.config)
    live = judged_live(material.book, material.live, rules)
    # Until there are two live days there is nothing else to show.
    replay = None if len(live.places) >= 2 else judged_replay(material.book, material.replayed, rules)
    shown, what = (live, LIVE) if replay is None else (replay, REPLAY)
    e_value = None if material.trust is None else exp(min(material.trust.log_evidence, _LARGEST_LOG))
    ours, equal = (live.ledger.of(name) for name in (PUBLISHED, EQUAL_WEIGHT))
    verdict = judge(ours, equal, e_value, _rng(), config.tracker, _year(material))
    windows = {f"performance_{days}d": window(material.book, live, days, config, _rng()) for days in WINDOWS}
    table = accounts(shown.ledger, {PUBLISHED: "what the bot was told"}, config, _rng())
    timestamp = {"timestamp": format_time(material.now)}
    body: dict[str, Any] = {
        "reason": verdict.reason,
        "evidence": _evidence(material, verdict),
        "summary": summary(windows["performance_30d"]),
        **{name: timestamp | values for name, values in windows.items()},
        "weight_evolution": weight_evolution(live.ledger),
        "training_info": _training_info(material.log),
        "live": _days_judged(material, live) | {"sources": _sources(material), "account": _account(material, live)},
        "allocators_on": what,
        "allocators": table,
        "rivals": rivals(table, config.tracker.least_days),
        "attribution_on": what,
        "attribution": _attribution(material, shown),
        "drawdowns": {
            name: figures.drawdowns(shown.ledger.of(name), shown.ledger.dates) for name in (PUBLISHED, EQUAL_WEIGHT)
        },
        "trust": _trust(material, e_value),
        "training": _training(material, ours),
        "model": _model(material),
        "book": _book(material),
        "replay": None if replay is None else _replay_figures(material, replay),
        "series_on": what,
        "series": series(shown, config, _rng()),
        "troubles": list(material.troubles),
    }
    return Report(material.now, verdict.word, body)


def _rng() -> np.random.Generator:
    return np.random.default_rng(SEED)


def _year(material: Material) -> float:
    return float(material.config.account.periods_per_year)


def _evidence(material: Material, verdict: Verdict) -> dict[str, Any]:
    terms = material.config.tracker
    return {
        "question": "does what was published beat equal weight, on the same days, after the same costs?",
        "days": verdict.days,
        "least_days": terms.least_days,
        "sharpe_difference": known(verdict.difference.value),
        "interval": span(verdict.difference.interval),
        "level": terms.level,
        "method": f"paired stationary bootstrap, mean block {terms.mean_block:g} days, {terms.draws} draws",
        "e_value": verdict.e_value,
        "least_e_value": terms.least_e_value,
        "e_value_of": "the policy against its base, before the costs of moving between the two",
    }


def _training_info(log: TrainingLog) -> dict[str, Any]:
    recent = [training.average_reward for training in log.trainings[-5:]]
    return {
        "last_training": log.last_training and format_time(log.last_training),
        "total_episodes": sum(training.episodes for training in log.trainings),
        "recent_avg_reward": sum(recent) / len(recent) if recent else None,
    }


def _days_judged(material: Material, judged: Judged) -> dict[str, Any]:
    ledger, config = judged.ledger, material.config
    days = {name: None if not len(ledger.dates) else str(ledger.dates[end]) for name, end in _ENDS}
    row = ledger.names.index(EQUAL_WEIGHT)
    return {
        **days,
        "days": len(ledger.dates),
        PUBLISHED: _figures(material, ledger, 0),
        EQUAL_WEIGHT: _figures(material, ledger, row),
        "cost_bps": config.rebalancing.cost_bps,
    }


_ENDS = (("first_day", 0), ("last_day", -1))


def _figures(material: Material, ledger: Ledger, row: int) -> dict[str, Any]:
    cost_bps = material.config.rebalancing.cost_bps
    found = figures.account_figures(ledger.net[row], ledger.turnover[row], cost_bps, _year(material))
    return found | {"cost_paid": known(float(ledger.turnover[row].sum()) * cost_bps / 1e4)}


def _sources(material: Material) -> dict[str, int]:
    """On how many live days the bot was told by whom."""
    return dict(Counter(day.source for day in material.live).most_common())


def _account(material: Material, live: Judged) -> dict[str, Any]:
    """What the account really made of it. The difference to `published` is what no weight explains: fills, fees,
    trades that belong to no strategy, and whatever the bot did otherwise."""
    book, places = material.book, live.places
    opening = book.account_opening[places]
    real = counted(np.where(opening > 0.0, book.account_pnl[places] / np.where(opening > 0.0, opening, 1.0), 0.0))
    ours = metrics.wealth_of(live.ledger.net[0])[-1]
    gained = float(metrics.wealth_of(real)[-1])
    return {
        "total_return": known(gained - 1.0),
        "sharpe": known(float(metrics.sharpe(real, _year(material)))),
        "gap_to_published": known(gained / float(ours) - 1.0),
    }


def _attribution(material: Material, judged: Judged) -> list[dict[str, Any]]:
    """What each strategy added, and what weighing it otherwise than equally added. Sums of daily shares of equity."""
    weights, book, places = judged.ledger.weights[0], material.book, judged.places
    if not len(places):
        return []
    added = contributions(book, places, weights).sum(axis=0)
    equally = contributions(book, places, np.tile(EQUAL, (len(places), 1))).sum(axis=0)
    own = metrics.sharpe(book.returns[places].T, _year(material))
    return [
        {
            "strategy": name,
            "average_weight": float(weights[:, k].mean()),
            "contribution": known(added[k]),
            "equal_weight_contribution": known(equally[k]),
            "added_by_weighting": known(added[k] - equally[k]),
            "own_sharpe": known(float(own[k])),
            "trades": int(book.trades[places, k].sum()),
        }
        for k, name in enumerate(STRATEGIES)
    ]


def _trust(material: Material, e_value: float | None) -> dict[str, Any] | None:
    trust = material.trust
    if trust is None:
        return None
    wealth = {name: known(exp(min(expert.log_wealth, _LARGEST_LOG))) for name, expert in _experts(trust)}
    return {
        "trust": trust.trust,
        "e_value": e_value,
        "live_days": trust.live_days,
        "last_day": trust.last_day and trust.last_day.isoformat(),
        "wealth": {**wealth, "blend": known(exp(min(trust.blend_log_wealth, _LARGEST_LOG)))},
    }


def _experts(trust: Trust) -> tuple[tuple[str, Any], ...]:
    return ("policy", trust.policy), ("base", trust.base)


def _training(material: Material, ours: FloatArray) -> dict[str, Any]:
    log = material.log
    outcomes = Counter(training.outcome for training in log.trainings)
    return {
        "trials": len(log.trials),
        "deflated_sharpe": known(deflated(ours, log.trials, _year(material))) if len(ours) >= 2 else None,
        "deflated_sharpe_is": "the probability that the live Sharpe ratio is above what luck gives the best trial",
        "outcomes": {outcome: outcomes[outcome] for outcome in OUTCOMES if outcomes[outcome]},
        "history": [training_values(training) for training in log.trainings[-TRAININGS_SHOWN:]],
    }


def _model(material: Material) -> dict[str, Any] | None:
    manifest = material.manifest
    if manifest is None:
        return None
    return {
        "generation": manifest.generation,
        "trained_at": format_time(manifest.trained_at),
        "sha256": manifest.sha256,
        "parent": manifest.parent,
    }


def _book(material: Material) -> dict[str, Any]:
    book = material.book
    dates = book.dates
    return {
        "kind": book.kind.value,
        "days": len(dates),
        **{name: None if not len(dates) else str(dates[end]) for name, end in _ENDS},
        "trades": int(book.account_trades.sum()),
        "trades_of_no_strategy": int(book.account_trades.sum() - book.trades.sum()),
        "equity": known(float(book.account_equity[-1])) if len(dates) else None,
        "bad_rows": material.bad_rows,
        "quarantined": [dict(row) for row in material.quarantined],
    }


def _replay_figures(material: Material, replay: Judged) -> dict[str, Any]:
    ours, equal = (replay.ledger.of(name) for name in (PUBLISHED, EQUAL_WEIGHT))
    difference = paired_difference(ours, equal, _rng(), material.config.tracker, _year(material))
    return _days_judged(material, replay) | {
        "sharpe_difference": known(difference.value),
        "interval": span(difference.interval),
        "note": "what the model in service would have published on days that it may have learnt from: no evidence",
    }
