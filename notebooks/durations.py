"""`python notebooks/durations.py`: execute every notebook and write how long each took, and where, to durations.json.

It takes as long as all notebooks together, on a machine that does nothing else, and leaves the notebooks as they are.
`fashion report` then shows the durations in README.md beside this file.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fashion.hardware.placement import choose_device
from fashion.runs.provenance import provenance

HERE = Path(__file__).parent
FOUND = HERE / "durations.json"


def main() -> None:
    surroundings = {name: value for name, value in os.environ.items() if name != "FASHION_QUICK"}
    seconds = {}
    with tempfile.TemporaryDirectory() as elsewhere:
        command = [sys.executable, "-m", "nbconvert", "--to", "notebook", "--execute", "--output-dir", elsewhere]
        for path in sorted(HERE.glob("*.ipynb")):
            start = time.perf_counter()
            subprocess.run([*command, path], env=surroundings, check=True)
            seconds[path.stem] = round(time.perf_counter() - start, 1)
    hardware = provenance(choose_device()).hardware
    FOUND.write_text(json.dumps({"hardware": hardware, "seconds": seconds}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
