"""The command `fashion`, and `python -m fashion`."""

import os
import signal
import sys


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; Ctrl-C says one line, also while something is still being imported.

    SIGTERM, which schedulers send before they kill, ends it with exit code 143; the last checkpoint is whole.
    """
    signal.signal(signal.SIGTERM, _terminate)
    os.environ["MPLBACKEND"] = "agg"  # figures are files here, whatever a notebook that calls this command has set
    try:
        from fashion.cli import run_command_line

        code = run_command_line(arguments)
    except KeyboardInterrupt:
        message = "interrupted; the same command continues from the last checkpoint, where there is one"
        print(f"fashion: {message}", file=sys.stderr)
        code = 130
    sys.exit(code)


def _terminate(*_: object) -> None:
    print(
        "fashion: terminated; the same command continues from the last checkpoint, where there is one", file=sys.stderr
    )
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    main()
