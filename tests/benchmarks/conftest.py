import pytest


@pytest.fixture
def result():
    """Make up a network's result from the seconds of its contenders, in turns of ten minibatches."""

    def make(hardware="A CPU (R), 2 threads", **contenders):
        measured = {
            name.replace("_", ":"): {
                "seconds": seconds,
                "peak_mb": 1000.0,
                "first_step_s": 2.0,
                "versions": {"torch": "2"},
            }
            for name, seconds in contenders.items()
        }
        if "ours" in measured:
            measured["ours"]["precision"] = "fp32"
        return {
            "hardware": hardware,
            "versions": {"python": "3", "torch": "2"},
            "git_commit": "0123456789",
            "steps": 10,
            "multiply_adds": 64_000,  # 1,000 an image
            "optimiser_bytes": 100,
            "contenders": measured
            # 60,000 images x 1,000 x 2 x 3 at 6e6 a second: 60 s; 938 steps x 100 bytes at 938 a second: 100 s.
            | {"limit": {"flop_per_second": [1e6, 6e6, 9e9], "bytes_per_second": [938.0], "versions": {}}},
            "linear": [],
        }

    return make
