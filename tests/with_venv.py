"""Runs a test with the Python of a virtual environment: with_venv.py [--torch] SCRIPT [ARGUMENT...].

It is .venv-tests, which has the Python client, or with --torch .venv, which has PyTorch and nothing else. Exits with
77, which ctest calls skipped, where scripts/setup.sh has not made it.
"""

import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ARGUMENTS = [argument for argument in sys.argv[1:] if argument != "--torch"]
NAME = ".venv" if "--torch" in sys.argv[1:2] else ".venv-tests"
PYTHON = ROOT / NAME / "bin" / "python"

if not PYTHON.exists():
    print(f"skipped: there is no {NAME}; run scripts/setup.sh --tests")
    sys.exit(77)
os.execv(PYTHON, [str(PYTHON), *ARGUMENTS])
