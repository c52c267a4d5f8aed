"""Draw figures from the committed results, the same bytes each time.

python figures/draw.py [NAME ...] [--into FOLDER]
"""

from __future__ import annotations

import argparse
import importlib
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import common

NAMES = sorted(path.stem for path in common.HERE.glob("fig_*.py"))


def draw(name: str, folder: Path) -> str:
    common.folder = folder
    importlib.import_module(name).main()
    return name


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as fig_dial; default all")
    parser.add_argument("--into", type=Path, default=common.HERE, metavar="FOLDER")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    names = [Path(name).stem for name in args.names] or NAMES
    if unknown := sorted(set(names) - set(NAMES)):
        parser.error(f"no such figure {unknown}; need some of {', '.join(NAMES)}")
    args.into.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(min(args.jobs, len(names))) as pool:
        for name in pool.map(draw, names, [args.into] * len(names)):
            print(name, flush=True)


if __name__ == "__main__":
    main()
