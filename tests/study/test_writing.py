import pytest
from made_up import a_run, ending_at

from fashion.study.writing import choice_in_words, one_more, percent, seed_list, with_interval


def test_an_interval_is_shown_from_three_seeds_on():
    assert percent(ending_at(90.0, 92.0)) == "91.00"
    assert percent(ending_at(1.0, 2.0, 3.0)) == "2.00 ± 2.48"
    assert percent([]) == ""
    assert with_interval([1.0, 2.0, 3.0], "+.1f") == "+2.0 ± 2.48"


def test_one_more_run_ends_farther_off_than_the_mean_and_never_beyond_what_is_possible():
    assert one_more(ending_at(51.0, 52.0, 53.0)) == "47.0 to 57.0"  # 52 ± 4.303 * sqrt(4 / 3)
    assert one_more(ending_at(1.0, 2.0, 3.0)) == "0.0 to 7.0"
    assert one_more(ending_at(97.0, 98.0, 99.0)) == "93.0 to 100.0"
    assert one_more(ending_at(51.0, 52.0)) == one_more([]) == ""


@pytest.mark.parametrize(("numbers", "text"), [([0], "0"), ([0, 1, 2], "0-2"), ([0, 2, 3], "0,2,3"), ([], "")])
def test_seeds_are_written_as_the_command_line_takes_them(numbers, text):
    assert seed_list([a_run(10.0, seed=number) for number in numbers]) == text


def test_what_is_chosen_by_name_is_written_with_its_parameters():
    assert [choice_in_words(each) for each in ("flip", ("cutout", 8))] == ["flip", "cutout 8"]
