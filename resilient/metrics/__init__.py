"""What can be counted of the events: every metric, and which event counts in which; adapters export them."""
