"""What the simulation shares with the tests of the file contract."""

from __future__ import annotations

import pytest
from support.figures import Tell


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Tell:
    """Print figures past pytest's capture."""

    def past_capture(text: str) -> None:
        with capsys.disabled():
            print(text)

    return past_capture
