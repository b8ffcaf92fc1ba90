"""The paths that are measured, one a module; to add one, put a module here."""
