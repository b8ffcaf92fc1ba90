"""Fuzz the rules of HTTP caching: ``python -m tests.fuzz FOLDER -max_total_time=600``, with atheris installed.

The folder keeps what was found of use; begin with a copy of ``tests/fuzz/corpus``.
"""

import sys

import atheris

with atheris.instrument_imports(include=["resilient.http"]):
    from tests.fuzz.judging import judge

if __name__ == "__main__":
    atheris.Setup(sys.argv, judge)
    atheris.Fuzz()
