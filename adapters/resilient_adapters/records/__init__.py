"""Entries as bytes, for stores that keep them outside of this process; all such stores keep the same records."""
