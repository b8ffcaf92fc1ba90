"""``python -m resilient.cli`` is ``resilient``."""

from resilient.cli import main

raise SystemExit(main())
