"""What can happen between the two states, and what follows from it. Pure: no I/O, no clock, no framework."""
