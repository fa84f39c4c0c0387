import csv
import re

import pytest
from made_up import ending_at

from fashion import EXPERIMENTS, FashionError
from fashion.study.figures import PUBLISHED
from fashion.study.leaderboard import Reported, best_mean, claims, leaderboard, reported
from fashion.study.tables import markdown

ROW = {
    "kind": "result", "accuracy": "95.5 ± 0.1", "network": "a network", "millions": "0.27", "epochs": "200",
    "runs": "3", "data": "after", "epoch": "last", "by": "somebody", "source": "https://example.org/it", "remark": "",
}  # fmt: skip


@pytest.fixture
def written(tmp_path):
    """A function that writes a file of rows, each the one above with some changes, and returns its path."""

    def write(*changes, columns=tuple(ROW)):
        with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([columns, *((ROW | each).values() for each in changes)])
        return tmp_path / "rows.csv"

    return write


def test_the_rows_of_the_file_are_well_formed():
    rows = reported()
    assert len(rows) > 30 and {each.kind for each in rows} == {"result", "claim"}
    for each in rows:
        assert re.fullmatch(r"\d\d(\.\d+)?( ± 0\.\d\d)?", each.accuracy) and 80 <= each.percent <= 100
        assert re.match(r"https://(github\.com|arxiv\.org|doi\.org)/", each.source)
        assert each.epoch in ("last", "best", "unknown") and each.data in ("before", "after", "unknown")
        assert each.network and each.by and each.remark.endswith("." if each.remark else "")
        assert not re.search(r"[|*\n]", "".join((each.network, each.by, each.remark)))
    assert len({(each.accuracy, each.network, each.by) for each in rows}) == len(rows)


def test_a_row_is_read_as_it_stands(written):
    first, second = reported(written({}, {"millions": "", "epochs": "", "runs": "", "data": "unknown"}))
    assert first == Reported(
        "result", "95.5 ± 0.1", "a network", 0.27, 200, 3, "after", "last", "somebody", "https://example.org/it", ""
    )
    assert (second.millions, second.epochs, second.runs, second.data) == (None, None, None, "unknown")
    assert first.percent == 95.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "guess"}, "kind must be 'result' or 'claim', not 'guess'"),
        ({"accuracy": "0.967"}, "accuracy must be percent from 80 to 100, such as '96.41 ± 0.01', not '0.967'"),
        ({"accuracy": "100.1"}, "accuracy must be percent from 80"),
        ({"accuracy": "96.4%"}, "accuracy must be percent from 80"),
        ({"accuracy": "96.4 ±"}, "accuracy must be percent from 80"),
        ({"network": ""}, "network must be named"),
        ({"millions": "8.9M"}, "millions must be a number, not '8.9M'"),
        ({"epochs": "2.5"}, "epochs must be a whole number, not '2.5'"),
        ({"millions": "-1"}, "millions must be a positive number, not -1.0"),
        ({"epochs": "0"}, "epochs must be a positive number, not 0"),
        ({"runs": "-3"}, "runs must be a positive number, not -3"),
        ({"data": "2017"}, "data must be 'before' or 'after' or 'unknown', not '2017'"),
        ({"epoch": ""}, "epoch must be 'last' or 'best' or 'unknown', not ''"),
        ({"by": ""}, "by must be a name, not ''"),
        ({"source": "a talk"}, "source must be a link, not 'a talk'"),
        ({"kind": "claim"}, "remark must say what the source of a claim shows"),
        ({"more": "a cell"}, "there are 12 cells for 11 columns"),
    ],
)
def test_a_broken_row_is_refused_by_its_line(written, change, message):
    with pytest.raises(FashionError, match=rf"^rows.csv, line 3: {re.escape(message)}"):
        reported(written({}, change))


def test_other_columns_are_refused(written):
    for columns in (tuple(ROW)[1:], tuple(reversed(ROW))):
        with pytest.raises(FashionError, match=r"^rows.csv, line 1: the columns must be kind, accuracy, network, "):
            reported(written({}, columns=columns))


def test_ours_stand_among_them_by_their_accuracy():
    table = leaderboard(
        {
            EXPERIMENTS["fast"]: ending_at(99.0, 100.0, 99.5),
            EXPERIMENTS["v1_5_5_BN"]: ending_at(10.0, 20.0),
            EXPERIMENTS["resnet18"]: ending_at(96.405),
            EXPERIMENTS["fast_93"]: [],
            EXPERIMENTS["v1"]: ending_at(99.0),
        }
    )
    results = [each for each in reported() if each.kind == "result"]
    assert len(table) == len(results) + 3
    assert table.iloc[0].to_dict() == {
        "accuracy": "**99.50 ± 1.24**",
        "network": "**fast**, FastNetwork_32",
        "M parameters": "0.293",
        "epochs": 16,
        "runs": 3,
        "data": "after",
        "epoch": "last",
        "source": "ours",
        "remark": "",
    }
    last = table.iloc[-1][["accuracy", "network", "M parameters", "epochs", "runs"]]
    assert last.tolist() == ["**15.00**", "**v1_5_5_BN**", "26", 40, 2]
    place = table["network"].tolist().index("**resnet18**")
    assert table["accuracy"][place - 1] == "96.41 ± 0.01" and table["accuracy"][place + 1] == "96.40"
    accuracies = [float(re.match(r"\**([\d.]+)", each)[1]) for each in table["accuracy"].drop(place)]
    assert accuracies == sorted(accuracies, reverse=True)


def test_the_best_mean_is_of_several_runs_on_the_images_of_today():
    assert best_mean().accuracy == "96.41 ± 0.01"
    assert max(each.percent for each in reported() if each.kind == "result") == 96.59  # one run


def test_what_the_figure_of_times_shows_stands_in_the_file():
    assert PUBLISHED == {
        "Shake-Shake + SAM, n=5": 96.41,
        "WRN-28-10 + cutout, n=5": 96.14,
        "ResNet-preact-20 + cutout, n=3": 95.51,
        "ResNet-preact-20, n=3": 94.96,
        "small ResNet, 20 epochs, n=1": 94.3,
        "small ResNet, 5 epochs, n=1": 93.4,
    }


def test_what_a_source_leaves_open_is_empty():
    table = leaderboard({})
    assert not (table == "unknown").any(axis=None)
    row = table[table["source"].str.startswith("[Foret") & (table["accuracy"] == "96.41 ± 0.01")].iloc[0]
    assert row[["M parameters", "epochs", "runs", "data", "epoch"]].tolist() == ["", "", 5, "after", ""]
    assert row["source"] == "[Foret et al.](https://arxiv.org/abs/2010.01412)"
    assert " 300 " in markdown(table) and "nan" not in markdown(table)


def test_claims_stand_apart_with_what_their_sources_show():
    table = claims()
    assert list(table) == ["claim", "network", "source", "what the source shows"]
    assert table["claim"].tolist() == ["99.65", "99.27", "98.96", "98", "97.65", "97.09", "96.91", "96.82"]
    assert not set(table["source"]) & set(leaderboard({})["source"])
