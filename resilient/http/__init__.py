"""What HTTP says, as pure functions of values: no clock, no store, the paragraph cited beside each rule."""
