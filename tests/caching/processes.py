"""Programs of tests, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import resilient
import resilient_adapters

SOURCES = [str(Path(package.__file__).parents[1]) for package in (resilient, resilient_adapters)]
PRELUDE = """
import asyncio, logging, os, signal, sys, threading, time

# In development mode asyncio speaks of callbacks that took long, which they do on a busy machine.
logging.getLogger("asyncio").addFilter(lambda record: " took " not in record.getMessage())
"""


class Program:
    """Python on a text, with warnings as errors.

    Args:
        path: where the text is written.
        text: the program, behind :data:`PRELUDE`.
        args: what it gets as arguments.
    """

    def __init__(self, path, text, *args):
        path.write_text(PRELUDE + text)
        self.process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error", str(path), *map(str, args)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(SOURCES)},
        )

    def expect(self, line):
        """Wait for a line."""
        said = self.process.stdout.readline()
        assert said == f"{line}\n", said + self.process.stderr.read()

    def tell(self, line):
        """Write a line to it."""
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def ends_well(self):
        """What it wrote, once it ended with success and without a word of complaint."""
        out, err = self.process.communicate(timeout=100)
        assert err == ""
        assert self.process.returncode == 0
        return out

    def kill(self):
        """Kill it, without a chance to clean up."""
        self.process.kill()
        self.process.wait()

    def close(self):
        """Kill it if it still runs, and let go of its pipes."""
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()
