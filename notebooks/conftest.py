"""Under pytest the notebooks are rehearsed: what they train is small, and nothing of it is kept."""

import os

os.environ.setdefault("FASHION_QUICK", "1")
