"""The doors: HTTP routes, the command line, and the one place that wires everything."""
