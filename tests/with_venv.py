"""Runs a test with the Python of .venv-tests: with_venv.py SCRIPT [ARGUMENT...].

Exits with 77, which ctest calls skipped, where scripts/setup.sh --tests has not been run.
"""

import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv-tests" / "bin" / "python"

if not PYTHON.exists():
    print("skipped: there is no .venv-tests; run scripts/setup.sh --tests")
    sys.exit(77)
os.execv(PYTHON, [str(PYTHON), *sys.argv[1:]])
