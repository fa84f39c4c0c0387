from dataclasses import replace

from made_up import H200, XEON, a_run, ending_at, runs_of

from fashion.study import measures


def test_means_are_of_one_epoch():
    runs = runs_of([80.0, 90.0], [82.0, 91.0])
    assert measures.mean(runs) == 90.5 and measures.mean(runs, 1) == 81.0
    assert measures.spread(runs) == 1.0 and measures.span(ending_at(18.4, 74.4, 50.0)) == "between 18 and 74%"


def test_a_difference_is_paired_by_seed_and_of_one_epoch():
    first = runs_of([90.0, 50.0], [10.0, 10.0], [20.0, 20.0], [30.0, 30.0])
    second = runs_of([0.0, 0.0], [11.0, 14.0], [22.0, 24.0], [33.0, 34.0])[1:]
    assert [(one.seed, other.seed) for one, other in measures.paired(first, second)] == [(1, 1), (2, 2), (3, 3)]
    assert measures.difference(first, second) == "+4.00 ± 0.00"
    assert measures.difference(first, second, 1) == "+2.00 ± 2.48"
    assert measures.difference(second, first, 2) == "-4.00 ± 0.00"
    assert measures.difference(first[:1], second) == ""
    assert measures.gaps(first, second) == [4.0, 4.0, 4.0] and measures.gaps(first, second, 1) == [1.0, 2.0, 3.0]


def test_seconds_are_of_where_most_ran_and_of_runs_that_ran_alone():
    runs = runs_of([90.0], [90.0], [90.0], hardware=H200, train_seconds=9.0)
    together = [replace(run, record=replace(run.record, together=5)) for run in runs]
    assert measures.on_one_machine([together[1], runs[0], together[2]]) == [runs[0]]
    assert measures.on_one_machine(together) == together
    elsewhere = a_run(90.0, hardware=XEON, train_seconds=600.0)
    assert measures.machine([elsewhere, *runs]) == "H200" and measures.took([elsewhere, *runs]) == "9.0 s"
    assert measures.machine([elsewhere]) == "Xeon AMX" and measures.took([elsewhere]) == "10 min"
