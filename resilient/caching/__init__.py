"""What to keep and when to serve it, for functions and responses alike."""
