"""From what strategies want to what they trade: capital times position, a band around it, a limit on the whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def orders(
    held: FloatArray,
    positions: FloatArray,
    capital: FloatArray,
    prices: FloatArray,
    *,
    largest_gross: float,
    band: float,
) -> FloatArray:
    """Quantities to buy (strategies, symbols), negative to sell.

    held (strategies, symbols): quantities now. positions (strategies, symbols): wanted, as fractions of each strategy's
    `capital` (strategies,). prices (symbols,). What is held stays where it is within `band` (relative) of what is
    wanted, so that a moving price or weight does not trade every day. After the trades the value of everything held,
    shorts counted as positive, is at most `largest_gross`: if need be, all is scaled down alike.
    """
    wanted = positions * capital[:, np.newaxis] / prices
    near = np.abs(wanted - held) <= band * np.abs(wanted)
    after = np.where(near, held, wanted)
    gross = float(np.sum(np.abs(after) * prices))
    if gross > largest_gross:
        after = after * (largest_gross / gross)
    change: FloatArray = after - held
    return change
