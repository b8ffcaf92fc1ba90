"""The only rooms with a colour: how threads and tasks wait, and what stands on waiting."""
