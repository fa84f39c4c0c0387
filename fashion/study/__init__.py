"""What the study finds: runs go in; tables, sentences and figures come out.

`fashion.study.loading` loads the runs; everything else is given them.
"""

from importlib import import_module

_ELSEWHERE = {
    "loading": ("Study", "load_study", "runs_of", "test_labels", "test_images", "validation_labels"),
}


def __getattr__(name: str) -> object:
    """Import what a notebook calls `study.load_study` when it is first asked for: torch takes long."""
    for module, names in _ELSEWHERE.items():
        if name in names:
            return getattr(import_module(f"fashion.study.{module}"), name)
    raise AttributeError(f"module 'fashion.study' has no attribute {name!r}")
