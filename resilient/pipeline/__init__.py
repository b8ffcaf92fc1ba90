"""The middlewares of a call, one a room; they never import each other."""
