"""``python -m schedopt`` is the command ``schedopt``; Ctrl-C while it still loads is no fault, too.

The package itself must load nothing that takes a moment: it is there before this module is.
"""

import signal
import sys
from typing import NoReturn

from schedopt.errors import INTERRUPTED


class Interrupted(KeyboardInterrupt):
    """Ctrl-C; where a plain one passes through exec(), Python dies by it whoever catches it."""


def _interrupt(*_: object) -> NoReturn:
    raise Interrupted


def main() -> int:
    """Run the command line with the arguments of the process.

    Returns:
        The exit code.
    """
    try:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not under nohup
            signal.signal(signal.SIGINT, _interrupt)
        from schedopt.cli import main as command_line

        return command_line()
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
