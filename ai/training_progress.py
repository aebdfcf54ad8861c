"""How a training goes on, told to whoever asks: a person at a terminal, the log, TensorBoard, the heartbeat."""

from __future__ import annotations

import sys

from ai.curves import open_curves
from ai.study import Progress
from contract.daemon import Context
from contract.progress import LOG_EVERY_S
from contract.progress import Progress as Bar


class Reporter:
    """For one training of one seed: to be called with each `Progress`, asked whether to stop, and closed."""

    def __init__(self, context: Context, seed: int, place: str = "") -> None:
        self._context = context
        self._label = self._doing = f"training{place} with seed {seed}"
        self._curves = open_curves(context.root.logs / "tensorboard", f"{context.system.now():%Y%m%dT%H%M%SZ}-{seed}")
        self._bar = Bar(self._label, context.config.agent.episodes, context.system.monotonic) if _is_seen() else None
        self._logged_s = self._beaten_s = context.system.monotonic()
        self._last: Progress | None = None
        context.log.info("training", seed=seed)
        context.beat(self._doing)

    def __call__(self, progress: Progress) -> None:
        scalars = {"reward": progress.reward, "validation_sharpe": progress.validation_sharpe}
        speed = {"steps_per_s": progress.steps_per_s}
        self._curves.add(progress.episode, {**scalars, **speed, **progress.scalars}, self._context.system.now())
        self._last = progress
        self._doing = f"{self._label}: episode {progress.episode} of {progress.episodes}"
        self._beat()
        if self._bar is not None:
            self._bar.update(progress.episode, **_figures(progress))
        elif self._seconds_since(self._logged_s) >= LOG_EVERY_S:
            self._logged_s = self._context.system.monotonic()
            left_s = round(progress.seconds_left)
            self._context.log.info("training", of=progress.episodes, **_figures(progress), seconds_left=left_s)

    def stopping(self) -> bool:
        """Whether to end early. Learning asks often, also while it has nothing to tell, and so shows that it lives."""
        self._beat()
        if self._bar is not None:
            self._bar.update(self._last.episode if self._last else 0, **_figures(self._last))
        return self._context.stopping()

    @property
    def scalars(self) -> dict[str, float]:
        """The last of the learning itself."""
        return dict(self._last.scalars) if self._last else {}

    def close(self) -> None:
        self._curves.close()
        if self._bar is not None and self._last is not None:
            self._bar.finish(self._last.episode, **_figures(self._last))

    def _beat(self) -> None:
        if self._seconds_since(self._beaten_s) >= LOG_EVERY_S:
            self._beaten_s = self._context.system.monotonic()
            self._context.beat(self._doing)

    def _seconds_since(self, moment_s: float) -> float:
        return self._context.system.monotonic() - moment_s


def _is_seen() -> bool:
    return sys.stderr.isatty()


def _figures(progress: Progress | None) -> dict[str, object]:
    if progress is None:
        return {}
    return {
        "episode": progress.episode,
        "reward": progress.reward,
        "held_out_sharpe": progress.validation_sharpe,
        "steps_per_s": round(progress.steps_per_s),
    }
