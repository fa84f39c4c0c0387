"""The command `fashion`, and `python -m fashion`."""

import sys


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; Ctrl-C says one line, also while something is still being imported."""
    try:
        from fashion.cli import run_command_line

        code = run_command_line(arguments)
    except KeyboardInterrupt:
        message = "interrupted; the same command continues from the last checkpoint, where there is one"
        print(f"fashion: {message}", file=sys.stderr)
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
