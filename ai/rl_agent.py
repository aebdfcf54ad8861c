"""PPO in torch, from top to bottom: walk, look back, update, judge, keep the best.

Accounts walk through the history side by side and try logits around those of the policy. The critic says what each
morning was worth; an action that did better than that is made more likely, a little at a time. After each episode
the policy itself is judged on days that it does not learn from, and the best so far is what comes of the training:
more steps make some policies worse.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ai.adam import moments_in, take_moments
from ai.checkpoint import Array, Checkpoint
from ai.course import without_account
from ai.feature_table import whole_rows
from ai.histories import History, resampled
from ai.identity import Life, crossed, identity_of
from ai.network import Known, Network, Prepared, checkpoint_from, network_of
from ai.policy import RESIDUALS, checkpoint_of, policy_of
from ai.reward import sigma_of
from ai.rl_environment import ReplayEnvironment
from ai.smoothing import FloatArray
from ai.strengths import search
from ai.study import Learned, Progress, Study, judged
from ai.warm_start import climb
from contract.config import Agent
from trading.rebalancing import Rules

NOTE = f"PPO in torch {torch.__version__}"
BLOCK_DAYS = 60.0
"""Of a history made of shuffled blocks, on average: long enough that most days follow those that they followed."""


def learn(study: Study, report: Callable[[Progress], None], stopping: Callable[[], bool]) -> Learned:
    """`ai.study.Learn`, with torch. The same seed gives the same bytes on the same machine."""
    settings = study.settings
    rng, generator = np.random.default_rng(study.seed), torch.Generator().manual_seed(study.seed)
    lives = crossed(study.training, settings.episode_days)
    begun = suited(study.start, lives, study.rules, settings, study.seed, stopping)
    network = network_of(begun, settings, identity_of(study.training), generator)
    if stopping():  # torch needs seconds for its first optimizer
        return found_by_search(study, network)
    optimizer = optimizer_of(network, settings)
    if settings.continue_from == "service":
        take_moments(optimizer, study.start)
    environment = environment_of(lives, study.rules, settings, rng)
    race = Race(network, optimizer, study.validation, study.rules)
    began = time.perf_counter()

    race.judge()
    for _ in climb(network, environment, settings.warm_start_steps, settings.weight_decay, rng):
        race.judge()
        if stopping():
            break

    episode, total_reward = 0, 0.0
    while episode < settings.episodes and not stopping():
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * (1.0 - episode / settings.episodes)
        environment.reset(rng)
        batch = collect(network, environment, settings, generator)
        scalars = update(network, optimizer, batch, settings, generator)
        race.judge()
        episode += 1
        total_reward += batch.mean_reward
        seconds = time.perf_counter() - began
        report(
            Progress(
                episode=episode,
                episodes=settings.episodes,
                reward=batch.mean_reward,
                validation_sharpe=race.best_sharpe,
                steps_per_s=episode * len(batch.advantages) / seconds,
                seconds_left=seconds / episode * (settings.episodes - episode),
                scalars=scalars,
            )
        )
    return Learned(
        checkpoint=study.remembered(race.best),
        validation_sharpe=race.best_sharpe,
        episodes=episode,
        total_reward=total_reward,
        steps=episode * environment.accounts * environment.episode_days,
        seconds=time.perf_counter() - began,
        stopped_early=episode < settings.episodes,
        note=NOTE,
    )


def found_by_search(study: Study, network: Network) -> Learned:
    """What comes of a training that ends before it has begun with PPO."""
    reached = judged(network.policy(), study.validation, study.rules)
    return Learned(study.remembered(checkpoint_from(network)), reached, 0, 0.0, 0, 0.0, stopped_early=True, note=NOTE)


def suited(
    start: Checkpoint,
    lives: Sequence[Life],
    rules: Rules,
    settings: Agent,
    seed: int,
    stopping: Callable[[], bool] = lambda: False,
) -> Checkpoint:
    """The checkpoint with so much of everything as suits the account: it comes from other worlds, or other days."""
    rounds = search(policy_of(start), lives, rules, np.random.default_rng(seed))
    found = next(rounds)
    for _ in range(settings.search_rounds):
        if stopping():
            break
        found = next(rounds)
    return Checkpoint(start.features, {**start.arrays, **checkpoint_of(found.policy).arrays}, start.settings)


def environment_of(
    lives: Sequence[Life], rules: Rules, settings: Agent, rng: np.random.Generator
) -> ReplayEnvironment:
    """The lives, and where they are short, others beside them that are made of their blocks."""
    short = sum(life.history.days for life in lives) < settings.resample_below_days
    others = [
        Life(resampled(life.history, rng, BLOCK_DAYS), life.known)
        for life in lives
        for _ in range(settings.resampled if short else 0)
    ]
    sigma = float(np.mean([sigma_of(life.history.returns) for life in lives]))
    return ReplayEnvironment([*lives, *others], rules, sigma, settings.replicas, settings.episode_days)


class Race:
    """Keeps the policy that did best on the validation days; the one that it begins with, until a better one comes."""

    def __init__(
        self, network: Network, optimizer: torch.optim.Optimizer, validation: History, rules: Rules
    ) -> None:
        self._network, self._optimizer = network, optimizer
        self._validation, self._rules = validation, rules
        self.best = checkpoint_from(network, moments_in(optimizer))
        self.best_sharpe = -math.inf

    def judge(self) -> None:
        reached = judged(self._network.policy(), self._validation, self._rules)
        if reached > self.best_sharpe:
            self.best_sharpe = reached
            self.best = checkpoint_from(self._network, moments_in(self._optimizer))


class Batch(NamedTuple):
    """What an episode showed, a row for each day of each account."""

    prepared: Prepared
    actions: Tensor
    """(rows, 8): the logits that were tried."""
    log_probabilities: Tensor
    """(rows,), under the policy that tried them."""
    advantages: Tensor
    """(rows,)"""
    returns: Tensor
    """(rows,): what the critic should have said."""
    values: Tensor
    """(rows,): what it did say."""
    mean_reward: float


@torch.no_grad()
def collect(network: Network, environment: ReplayEnvironment, settings: Agent, generator: torch.Generator) -> Batch:
    """Walk through an episode: at once, or day by day where the actor looks at the account's own path."""
    days_at_once = 1 if "portfolio" in network.groups else environment.episode_days
    legs = [
        _walk(network, environment, days_at_once, generator)
        for _ in range(0, environment.episode_days, days_at_once)
    ]
    mornings, noise, tried, paid, terminated = (np.concatenate(parts) for parts in zip(*legs, strict=True))
    known = Known.of(environment.known())
    prepared = network.prepare(_tensor(mornings), known)
    values = network.values(prepared)
    # The episode ends because its time is up, not because there is nothing more to come: the last morning counts.
    last = network.values(network.prepare(_tensor(environment.observation()), known))
    gained = _tensor(
        advantages(paid, values.numpy(), last.numpy(), terminated, settings.gamma, settings.gae_lambda)
    )
    return Batch(
        prepared=Prepared(*(part.flatten(0, 1) for part in prepared)),
        actions=torch.from_numpy(tried).flatten(0, 1),
        log_probabilities=_of_scores(torch.from_numpy(noise), network.log_deviation).flatten(),
        advantages=gained.flatten(),
        returns=(gained + values).flatten(),
        values=values.flatten(),
        mean_reward=float(paid.mean()),
    )


class _Leg(NamedTuple):
    mornings: FloatArray
    """(days, accounts, 34)"""
    noise: Array
    """(days, accounts, 8): what was added to the policy's logits, in deviations."""
    actions: Array
    """(days, accounts, 8)"""
    rewards: FloatArray
    terminated: NDArray[np.bool_]


def _walk(network: Network, environment: ReplayEnvironment, days: int, generator: torch.Generator) -> _Leg:
    ahead, portfolio = environment.ahead(days)[:-1], environment.portfolio
    seen = without_account(ahead) if days > 1 else whole_rows(ahead, portfolio[np.newaxis])
    logits = network.logits(network.prepare(_tensor(seen), Known.of(environment.known())))
    noise = torch.randn(logits.shape, generator=generator)
    actions = (logits + noise * network.log_deviation.exp()).numpy()
    walk = environment.walk(actions)
    mornings = whole_rows(ahead, np.concatenate((portfolio[np.newaxis], walk.portfolio[:-1])))
    return _Leg(mornings, noise.numpy(), actions, walk.rewards, walk.terminated)


def advantages(
    rewards: FloatArray,
    values: FloatArray,
    last_values: FloatArray,
    terminated: NDArray[np.bool_],
    gamma: float,
    gae_lambda: float,
) -> FloatArray:
    """Generalised advantage estimates (days, accounts); rewards, values and terminated (days, accounts).

    last_values (accounts,) are those of the morning after the last day. A day that ended its account has nothing
    after it; that an episode's time was up is no such end.
    """
    goes_on = ~terminated
    following = np.concatenate((values[1:], last_values[np.newaxis]))
    surprises = rewards + gamma * goes_on * following - values
    found, later = np.empty_like(surprises), np.zeros_like(last_values, dtype=np.float64)
    for day in range(len(rewards) - 1, -1, -1):
        later = surprises[day] + gamma * gae_lambda * goes_on[day] * later
        found[day] = later
    return found


def update(
    network: Network, optimizer: torch.optim.Optimizer, batch: Batch, settings: Agent, generator: torch.Generator
) -> dict[str, float]:
    """Learn from an episode, in several passes of batches. Returns what is worth a curve."""
    rows, kl = len(batch.advantages), 0.0
    losses: list[tuple[float, float]] = []
    for _ in range(settings.epochs):
        order = torch.randperm(rows, generator=generator)
        for some in torch.split(order, settings.batch):
            logits = network.logits(prepared := batch.prepared.at(some))
            log_ratio = (
                log_probability(batch.actions[some], logits, network.log_deviation) - batch.log_probabilities[some]
            )
            kl = ((log_ratio.exp() - 1.0) - log_ratio).mean().item()
            if kl > settings.largest_kl:
                break
            values = network.values(prepared)
            actor = clipped_loss(log_ratio, normalised(batch.advantages[some]), settings.clip)
            critic = value_loss(values, batch.returns[some], batch.values[some], settings.clip_value)
            entropy = network.log_deviation  # of each logit, but for a constant
            loss = actor + settings.value_weight * critic - settings.entropy_weight * entropy
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), settings.largest_gradient)
            optimizer.step()
            losses.append((actor.item(), critic.item()))
        if kl > settings.largest_kl:
            break
    actor_loss, critic_loss = np.mean(losses, axis=0) if losses else (0.0, 0.0)
    return {
        "actor_loss": float(actor_loss),
        "critic_loss": float(critic_loss),
        "kl": kl,
        "deviation": math.exp(network.log_deviation.item()),
        **{f"strength_{name}": strength for name, strength in zip(RESIDUALS, network.residual.tolist(), strict=True)},
        "updates": float(len(losses)),
    }


def clipped_loss(log_ratio: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """PPO's: what the new policy gains, without credit for going further than `clip` from the old one."""
    ratio = log_ratio.exp()
    return -torch.minimum(ratio * advantages, ratio.clamp(1.0 - clip, 1.0 + clip) * advantages).mean()


def value_loss(values: Tensor, returns: Tensor, old_values: Tensor, clip: float) -> Tensor:
    """Half the mean squared error; with a clip, that of the worse of the value and one near the old value."""
    error = (values - returns).square()
    if clip > 0.0:
        near = old_values + (values - old_values).clamp(-clip, clip)
        error = torch.maximum(error, (near - returns).square())
    return 0.5 * error.mean()


def log_probability(actions: Tensor, means: Tensor, log_deviation: Tensor) -> Tensor:
    """Of actions (..., n) under normal distributions around means (..., n), but for a constant: (...)."""
    return _of_scores((actions - means) * torch.exp(-log_deviation), log_deviation)


def _of_scores(scores: Tensor, log_deviation: Tensor) -> Tensor:
    """The same, of actions that lie so many deviations (..., n) from the means."""
    return -0.5 * scores.square().sum(dim=-1) - scores.shape[-1] * log_deviation


def normalised(advantages: Tensor) -> Tensor:
    return (advantages - advantages.mean()) / (advantages.std() + 1e-8)


def optimizer_of(network: Network, settings: Agent) -> torch.optim.Optimizer:
    """Adam, with decay of the networks alone: the residual and the noise have no reason to be small."""
    free = [network.residual, network.log_deviation]
    decayed = [*network.actor.parameters(), *network.critic.parameters()]
    groups = [{"params": decayed, "weight_decay": settings.weight_decay}, {"params": free, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, eps=1e-5, fused=True)


def _tensor(array: FloatArray) -> Tensor:
    return torch.tensor(array, dtype=torch.float32)
