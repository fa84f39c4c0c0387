"""Measurements in words."""

from fashion.estimates import mean_interval, prediction_interval
from fashion.recipes import Choice
from fashion.runs.record import Run


def with_interval(values: list[float], form: str = ".2f") -> str:
    """Write the mean of measurements, one a seed, from three on with its 95% t-interval: `10.00 ± 0.00`."""
    mean, half = mean_interval(values)
    digits = max(2, int(form[-2]))
    return f"{mean:{form}} ± {half:.{digits}f}" if len(values) >= 3 else f"{mean:{form}}"


def percent(runs: list[Run]) -> str:
    """Write the mean last-epoch accuracy in percent, from three seeds on with its 95% interval: `10.00 ± 0.00`."""
    return with_interval([run.accuracy for run in runs]) if runs else ""


def duration(seconds: float) -> str:
    """Write how long something took: `2.1 s`, `52 s`, `18 min`."""
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def one_more(runs: list[Run]) -> str:
    """Write where 95% of further runs would end, in percent, from three seeds on: `91.5 to 93.0`."""
    if len(runs) < 3:
        return ""
    low, high = prediction_interval([run.accuracy for run in runs])
    return f"{max(low, 0):.1f} to {min(high, 100):.1f}"


def counted(number: int, what: str) -> str:
    """Write how many there are: `1 epoch`, `5 epochs`."""
    return f"{number} {what}{'s' * (number != 1)}"


def seed_list(runs: list[Run]) -> str:
    """Write the seeds of runs as the command line takes them: `0-4`, or `0,2,5` where one is missing."""
    numbers = [run.seed for run in runs]
    gapless = len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1))
    return f"{numbers[0]}-{numbers[-1]}" if gapless else ",".join(map(str, numbers))


def choice_in_words(choice: Choice) -> str:
    """Write what a recipe chooses by name, with its parameters: `cutout 8`."""
    return choice if isinstance(choice, str) else " ".join(map(str, choice))
