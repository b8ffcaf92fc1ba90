"""Write the door to httpx2: the same text as the door to httpx, with the name replaced.

With ``--check`` it says whether the door is in step, and changes nothing.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TWIN = ROOT / "adapters" / "resilient_adapters" / "httpx2"


def twins() -> dict[Path, str]:
    """What each file of the twin has to hold."""
    sources = {TWIN / path.name: path for path in sorted((ROOT / "resilient" / "httpx").glob("*.py"))}
    sources[TWIN / "testing.py"] = ROOT / "resilient" / "testing" / "httpx.py"
    return {target: styled(replaced(source.read_text()), target) for target, source in sources.items()}


def replaced(text: str) -> str:
    """``text`` about the other library."""
    text = text.replace("resilient.testing.httpx", "resilient_adapters.httpx2.testing")
    text = text.replace("resilient.httpx", "resilient_adapters.httpx2")
    return re.sub(r"\bhttpx\b", "httpx2", text)


def styled(text: str, path: Path) -> str:
    """``text`` in the style of this project: another name sorts elsewhere, and breaks other lines."""
    for step in (["check", "--select", "I", "--fix"], ["format"]):
        command = [sys.executable, "-m", "ruff", *step, "--quiet", "--stdin-filename", str(path), "-"]
        text = subprocess.run(command, input=text, capture_output=True, check=True, text=True).stdout
    return text


def main(arguments: list[str]) -> int:
    """Write the twin, or check it; the exit status."""
    texts = twins()
    stale = [path for path, text in texts.items() if not path.exists() or path.read_text() != text]
    stray = [path for path in TWIN.glob("*.py") if path not in texts]
    if "--check" in arguments:
        for path in stale + stray:
            print(f"{path.relative_to(ROOT)} is not in step; run `make twin`")  # noqa: T201 - a command
        return 1 if stale or stray else 0
    TWIN.mkdir(exist_ok=True)
    for path in stray:
        path.unlink()
    for path, text in texts.items():
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
