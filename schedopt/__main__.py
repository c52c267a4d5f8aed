"""``python -m schedopt`` is the command ``schedopt``."""

import sys

from schedopt.cli import main

if __name__ == "__main__":
    sys.exit(main())
