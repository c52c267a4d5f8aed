"""``python -m schedopt.harness``: the command line of lm-eval, which then knows ``schedopt``."""

import sys

from schedopt.errors import SchedoptError
from schedopt.harness.register import register


def main() -> int:
    """Run lm-eval's command line with this process's arguments.

    Returns:
        The exit code: that of the error, where schedopt raised one.
    """
    try:
        register()
        from lm_eval.__main__ import cli_evaluate

        cli_evaluate()
    except SchedoptError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
