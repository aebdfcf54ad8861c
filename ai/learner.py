"""Which way of learning this machine has.

PPO in torch is one (`ai.rl_agent`). Where torch cannot be imported, a simpler one in numpy stands in
(`ai.numpy_agent`), and says so in what comes of it.
"""

from __future__ import annotations

import importlib.util

from ai.study import Learn


def learner() -> Learn:
    """The best way of learning that this machine has. Importing torch takes seconds, so it is done here."""
    if importlib.util.find_spec("torch") is None:
        from ai.numpy_agent import learn as learn_without_torch

        return learn_without_torch
    from ai.rl_agent import learn

    return learn


def use_threads(count: int) -> None:
    """How many threads learning may keep busy, so that it never starves the bot."""
    if importlib.util.find_spec("torch") is not None:
        import torch

        torch.set_num_threads(count)
