"""Answers of HTTP in a cache: where they lie, whether they may be served, how they are asked for and given."""
