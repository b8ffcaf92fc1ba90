"""When a kept value is served and when it is asked for anew; one strategy a room."""
