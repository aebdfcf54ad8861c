"""The command that compares allocators: its table, its JSON, and one clear line for every bad file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from analytics import allocators as command
from trading.allocators import ALLOCATORS
from trading.backtest import backtest

ROOT = Path(__file__).resolve().parents[2]
RETURNS = np.round(0.01 * np.random.default_rng(6).standard_normal((60, 3)), 6)
DATES = [str(np.datetime64("2024-01-01") + day) for day in range(60)]
GOOD = "date,turtle,0700.HK,bonds\n2024-01-02,0.01,-0.02,0\n2024-01-03,+.5,-9.9e-1,1E-3\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "returns.csv"
    lines = [
        "date,a,b,c",
        *(",".join([day, *map(repr, row)]) for day, row in zip(DATES, RETURNS.tolist(), strict=True)),
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_table_has_a_line_for_every_allocator(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--returns", str(file)]) == 0
    heading, _, titles, *rows, _, footnote = capsys.readouterr().out.splitlines()
    assert heading.startswith("60 days from 2024-01-01 to 2024-02-29, 3 assets; 5 bps")
    assert len({len(line) for line in (titles, *rows)}) == 1, "aligned"
    assert [row.split()[0] for row in rows] == list(ALLOCATORS)
    marked = [row.split()[0] for row in rows if row.split()[1] == "*"]
    assert marked == [name for name, entry in ALLOCATORS.items() if entry.hindsight]
    assert "hindsight" in footnote


def test_json_holds_what_the_backtest_says(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--cost-bps", "20", "--bounds", "0.1", "0.6", "--periods-per-year", "365", "--json"]
    assert command.main(["--returns", str(file), *options]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["days"], document["cost_bps"], document["bounds"]) == (60, 20.0, [0.1, 0.6])
    assert (document["first_date"], document["assets"]) == ("2024-01-01", ["a", "b", "c"])
    assert [score["name"] for score in document["allocators"]] == list(ALLOCATORS)
    for score in document["allocators"]:
        account = backtest(RETURNS, ALLOCATORS[score["name"]].allocate, 20.0, (0.1, 0.6))
        net = account.returns
        wealth = np.concatenate([[1.0], account.wealth])
        assert score["wealth"] == pytest.approx(wealth[-1], rel=1e-12)
        assert score["annual_return"] == pytest.approx(wealth[-1] ** (365 / 60) - 1.0)
        assert score["volatility"] == pytest.approx(net.std(ddof=1) * 365**0.5)
        assert score["sharpe"] == pytest.approx(net.mean() / net.std(ddof=1) * 365**0.5)
        assert score["max_drawdown"] == pytest.approx((1.0 - wealth / np.maximum.accumulate(wealth)).max())
        assert score["turnover"] == pytest.approx(account.turnover.mean())


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD + "\n \n",
        GOOD.rstrip("\n"),
        GOOD.replace(",0\n", ", 0 \n").replace("date,turtle", '"date"," turtle"'),
        GOOD.replace("2024-01-03", "2024-01-03T00:00:00Z"),
    ],
    ids=["plain", "byte order mark", "CRLF", "blank lines", "no newline at the end", "spaces and quotes", "instants"],
)
def test_good_files_of_every_make_are_read_alike(text: str, tmp_path: Path) -> None:
    path = tmp_path / "returns.csv"
    path.write_bytes(text.encode())
    book = command.read_returns(path)
    assert book.assets == ("turtle", "0700.HK", "bonds")
    assert book.returns.tolist() == [[0.01, -0.02, 0.0], [0.5, -0.99, 0.001]]
    assert [date[:10] for date in book.dates] == ["2024-01-02", "2024-01-03"]


HEAD = "date,a,b\n2024-01-02,0.01,0.02\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "line 1 is not a header"),
        ("date\n2024-01-02\n", "line 1 is not a header"),
        ("date;a;b\n2024-01-02;0.1;0.2\n", "line 1 is not a header"),
        ("2024-01-02,0.01,0.02\n", "line 1 is not a header"),
        ("\ufeff2024-01-02,0.01,0.02\n", "line 1 is not a header"),
        ("date,a,\n", "line 1, column 3: '' is not a name"),
        ("date,a,b,a\n", "line 1, column 4: 'a' stands twice"),
        (HEAD, "1 days of returns (needs at least 2)"),
        (HEAD + "2024-01-03,0.01\n", "line 3 has 2 columns, the header has 3"),
        (HEAD + "2024-01-03,0.01,0.02,0.03\n", "line 3 has 4 columns, the header has 3"),
        (HEAD + "\n03/01/2024,0.01,0.02\n", "line 4: '03/01/2024' is not a date (needs YYYY-MM-DD)"),
        (HEAD + ",0.01,0.02\n", "line 3: '' is not a date"),
        (HEAD + "0001-01-01T00:00+05:00,0.01,0.02\n", "is not a date"),
        (HEAD + "2024-01-02,0.01,0.02\n", "line 3, date '2024-01-02': not later than the date before it"),
        (HEAD + "2023-12-29,0.01,0.02\n", "line 3, date '2023-12-29': not later than the date before it"),
        (HEAD + "2024-01-03,0.01,\n", "line 3, column 'b': '' is not a number (a return is a fraction above -1"),
        (HEAD + "2024-01-03,n/a,0.01\n", "line 3, column 'a': 'n/a' is not a number"),
        (HEAD + "2024-01-03,nan,0.01\n", "line 3, column 'a': 'nan' is not a number"),
        (HEAD + "2024-01-03,inf,0.01\n", "line 3, column 'a': 'inf' is not a number"),
        (HEAD + "2024-01-03,1e999,0.01\n", "line 3, column 'a': '1e999' cannot be a daily return"),
        (HEAD + "2024-01-03,1.23%,0.01\n", "line 3, column 'a': '1.23%' is not a number"),
        (HEAD + '2024-01-03,"0,01",0.01\n', "line 3, column 'a': '0,01' is not a number"),
        (HEAD + "2024-01-03,1_0,0.01\n", "line 3, column 'a': '1_0' is not a number"),
        (HEAD + "2024-01-03,\N{FULLWIDTH DIGIT ONE},0.01\n", "line 3, column 'a'"),
        (HEAD + "2024-01-03,-1,0.01\n", "line 3, column 'a': '-1' cannot be a daily return"),
        (HEAD + "2024-01-03,101.25,0.01\n", "line 3, column 'a': '101.25' cannot be a daily return"),
        (HEAD + "2024-01-03,0.1\x000,0.01\n", "line 3, column 'a'"),
        (HEAD + '2024-01-03,"0.1,0.01\n', "line 3: unexpected end of data"),
        (HEAD + "2024-01-03," + "9" * 200_000 + ",0.1\n", "line 3: field larger than field limit"),
        ("date,a\n" + "".join(f"{2000 + n}-01-01,10\n" for n in range(400)), "wealth overflows"),
        ("date,a\n2024-01-02,\udcff\n", "is not text in UTF-8"),
    ],
)
def test_a_bad_file_is_one_clear_line_and_exit_code_2(
    text: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "returns.csv"
    path.write_bytes(text.encode(errors="surrogateescape"))
    assert command.main(["--returns", str(path)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith(f"error: {path}: ") and complaint in line


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_a_file_that_cannot_be_read_is_one_clear_line(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--returns", str(tmp_path / name)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path / name}: cannot be read: ")


def test_bounds_that_nothing_can_satisfy_are_bad_usage(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--returns", str(file), "--bounds", "0.5", "0.9"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "floor" in line


@pytest.mark.parametrize(
    "options",
    [
        ["--cost-bps", "-1"],
        ["--cost-bps", "nan"],
        ["--cost-bps", "x"],
        ["--periods-per-year", "0"],
        ["--bounds", "0.1"],
    ],
)
def test_bad_options_are_bad_usage(options: list[str], file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(["--returns", str(file), *options])
    assert ended.value.code == 2
    assert options[0] in capsys.readouterr().err


@pytest.mark.parametrize("as_module", [True, False], ids=["as a module", "as a script from elsewhere"])
def test_it_runs_as_a_process(as_module: bool, file: Path, tmp_path: Path) -> None:
    target = ["-m", "analytics.allocators"] if as_module else [str(ROOT / "analytics" / "allocators.py")]
    done = subprocess.run(
        [sys.executable, *target, "--returns", file.name if not as_module else str(file)],
        cwd=ROOT if as_module else tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "equal_weight" in done.stdout
