import csv
from pathlib import Path

import numpy as np
import pytest

from market.intraday import split_day
from market.prices import MarketParameters, simulate
from market.replay import read_bars
from trading.bars import BadBars, Bars

HEADER = "Date,Open,High,Low,Close,Volume"
GOOD = ("2024-01-02,10,12,9,11,100", "2024-01-03,11,13,10,12,200", "2024-01-04,12,14,11,13,0")


@pytest.fixture
def market() -> Bars:
    parameters = MarketParameters(symbols=("AAA", "BBB", "CCC"), cointegrated_pairs=0)
    return simulate(30, np.random.default_rng(1), parameters).bars


def rows_of(bars: Bars, column: int) -> list[list[str]]:
    prices = (bars.open, bars.high, bars.low, bars.close, bars.volume)
    return [[str(time), *(repr(float(each[bar, column])) for each in prices)] for bar, time in enumerate(bars.times)]


def index_rows(bars: Bars) -> list[list[str]]:
    assert bars.volatility_index is not None
    pairs = zip(bars.times, bars.volatility_index.tolist(), strict=True)
    return [[str(time), *[repr(value)] * 4, "0"] for time, value in pairs]


def write(path: Path, *lines: str) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def assert_same(ours: Bars, theirs: Bars) -> None:
    assert ours.symbols == theirs.symbols
    for name in ("times", "open", "high", "low", "close", "volume", "volatility_index"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


@pytest.mark.parametrize("index_name", ["VIX", "^VIX"])
def test_a_directory_of_files_gives_back_every_number(market: Bars, tmp_path: Path, index_name: str) -> None:
    for column, symbol in reversed(list(enumerate(market.symbols))):
        write(tmp_path / f"{symbol}.csv", HEADER, *(",".join(row) for row in rows_of(market, column)))
    write(tmp_path / f"{index_name}.csv", HEADER, *(",".join(row) for row in index_rows(market)))
    write(tmp_path / "README.md", "not bars")
    assert_same(read_bars(tmp_path), market)


def test_a_long_file_may_have_its_rows_and_columns_in_any_order(market: Bars, tmp_path: Path) -> None:
    long = [[symbol, *row] for column, symbol in enumerate(market.symbols) for row in rows_of(market, column)]
    long += [["VIX", *row] for row in index_rows(market)]
    np.random.default_rng(0).shuffle(long)
    with (tmp_path / "bars.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["note", "VOLUME", "close", " Low ", "High", "open", "DATE", "symbol"])
        for symbol, date, open_, high, low, close, volume in long:
            writer.writerow(["N/A", volume, close, low, high, open_, date, symbol])
        file.write("\r\n")
    assert_same(read_bars(tmp_path / "bars.csv"), market)


def test_times_of_day_are_kept_and_brought_to_utc(market: Bars, tmp_path: Path) -> None:
    minutes = split_day(market, 0, 4, np.random.default_rng(0))
    write(tmp_path / "AAA.csv", HEADER, *(",".join(row) for row in rows_of(minutes, 0)))
    np.testing.assert_array_equal(read_bars(tmp_path).times, minutes.times)
    write(tmp_path / "AAA.csv", HEADER, "2024-01-02T09:30:00-05:00,10,12,9,11,100", "2024-01-02T15:00:00Z,10,12,9,11,1")
    assert [str(time)[11:19] for time in read_bars(tmp_path).times] == ["14:30:00", "15:00:00"]


def test_daily_bars_have_days_for_times_and_no_index_unless_given(tmp_path: Path) -> None:
    write(tmp_path / "SPY.csv", HEADER, *GOOD)
    bars = read_bars(tmp_path)
    assert bars.times.dtype == "datetime64[D]" and bars.volatility_index is None


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("2024-01-05,10,12,9,x11,100", "column close is 'x11'; write a plain number such as 123.45"),
        ("2024-01-05,10,12,9,,100", "column close is ''; write a plain number"),
        ("2024-01-05,10,12,9,nan,100", "column close is 'nan'; write a plain number"),
        ("2024-01-05,10,1e400,9,11,100", "column high is '1e400'; write a plain number"),
        ("2024-01-05,1_0,12,9,11,100", "column open is '1_0'; write a plain number"),
        ('2024-01-05,10,12,9,11,"1,000"', "column volume is '1,000'; write a plain number"),
        ("2024-01-05,10,12,0,11,100", "column low is 0; a price is above 0"),
        ("2024-01-05,-10,12,9,11,100", "column open is -10; a price is above 0"),
        ("2024-01-05,10,12,9,11,-1", "column volume is -1; a volume is 0 or more"),
        ("2024-01-05,10,10.5,9,11,100", "open 10.0, high 10.5, low 9.0, close 11.0; no price is above the high"),
        ("2024-01-05,10,12,10.5,11,100", "no price is above the high or below the low"),
        ("05.01.2024,10,12,9,11,100", "column date is '05.01.2024'; write 2024-01-31"),
        ("None,10,12,9,11,100", "column date is 'None'; write 2024-01-31"),
        ("2024-01-05,10,12,9,11", "5 cells under a header of 6; give every row one cell per column"),
        ("2024-01-05,10,12,9,11,100,7", "7 cells under a header of 6"),
        ("2024-01-03,10,12,9,11,100", "SPY 2024-01-03 00:00:00 stands at {path} line 3 already; keep one of them"),
        ('2024-01-05,10,12,9,11,"100', "write cells with commas and closed quotes"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line_with_its_value_and_the_remedy(
    tmp_path: Path, line: str, complaint: str
) -> None:
    path = tmp_path / "SPY.csv"
    write(path, HEADER, *GOOD, line)
    with pytest.raises(BadBars) as refusal:
        read_bars(tmp_path)
    assert str(refusal.value).startswith(f"{path} line 5: ")
    assert complaint.format(path=path) in str(refusal.value)


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ("Date,Open,High,Low,Volume", "column close is missing in 'Date,Open,High,Low,Volume'"),
        ("Date,Open,High,Low,Close,close,Volume", "column close stands there twice"),
        ("", "column date is missing"),
    ],
)
def test_wrong_columns_are_named(tmp_path: Path, header: str, complaint: str) -> None:
    path = tmp_path / "SPY.csv"
    write(path, header, *GOOD)
    with pytest.raises(BadBars) as refusal:
        read_bars(tmp_path)
    assert str(refusal.value).startswith(f"{path} line 1: {complaint}")
    assert "needed: date,open,high,low,close,volume" in str(refusal.value)


def test_a_long_file_needs_its_symbols(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    write(path, HEADER, *GOOD)
    with pytest.raises(BadBars, match="column symbol is missing"):
        read_bars(path)
    write(path, f"{HEADER},Symbol", f"{GOOD[0]},SPY", f"{GOOD[1]},")
    with pytest.raises(BadBars, match="line 3: column symbol is empty; every row belongs to a symbol"):
        read_bars(path)


def test_a_gap_is_refused_by_name_or_left_out_on_request(tmp_path: Path) -> None:
    write(tmp_path / "SPY.csv", HEADER, *GOOD)
    write(tmp_path / "QQQ.csv", HEADER, GOOD[0], GOOD[2])
    with pytest.raises(BadBars) as refusal:
        read_bars(tmp_path)
    assert str(refusal.value) == (
        f"QQQ has no bar for 2024-01-03 00:00:00, which SPY has ({tmp_path / 'SPY.csv'} line 3): "
        'add the row, or read with gaps="common" to keep the times that all symbols have'
    )
    assert read_bars(tmp_path, gaps="common").times.astype(str).tolist() == ["2024-01-02", "2024-01-04"]


def test_the_index_must_cover_the_days_too(tmp_path: Path) -> None:
    write(tmp_path / "SPY.csv", HEADER, *GOOD)
    write(tmp_path / "VIX.csv", HEADER, GOOD[0], GOOD[1])
    with pytest.raises(BadBars, match="VIX has no bar for 2024-01-04"):
        read_bars(tmp_path)
    bars = read_bars(tmp_path, gaps="common")
    assert bars.symbols == ("SPY",) and bars.volatility_index is not None
    assert bars.volatility_index.tolist() == [11.0, 12.0]


def test_nothing_to_read_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(BadBars, match=r"no \.csv file; put one per symbol there"):
        read_bars(tmp_path)
    write(tmp_path / "VIX.csv", HEADER, *GOOD)
    with pytest.raises(BadBars, match="nothing but a volatility index"):
        read_bars(tmp_path)
    write(tmp_path / "SPY.csv", HEADER)
    with pytest.raises(BadBars, match=r"SPY\.csv: no rows under the header"):
        read_bars(tmp_path)
    write(tmp_path / "SPY.csv", HEADER, "2025-01-02,10,12,9,11,100")
    with pytest.raises(BadBars, match="no time at which every symbol has a bar"):
        read_bars(tmp_path, gaps="common")
    (tmp_path / "SPY.csv").write_bytes(HEADER.encode() + b"\n2024-01-02,10,12,9,11,\xff\n")
    with pytest.raises(BadBars, match=r"SPY\.csv line 2: byte 0xff is not UTF-8"):
        read_bars(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_bars(tmp_path / "nowhere.csv")
