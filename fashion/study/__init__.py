"""What the study finds: runs go in; tables, sentences and figures come out.

`fashion.study.loading` loads the runs; everything else is given them.
"""

from importlib import import_module


def __getattr__(name: str) -> object:
    if name.startswith("_"):
        raise AttributeError(f"module 'fashion.study' has no attribute {name!r}")
    return getattr(import_module("fashion.study.loading"), name)  # when it is first asked for: torch takes seconds
