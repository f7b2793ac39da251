"""One module per family: its events, what follows from them (`evolve`), what cannot be (`refuse`)."""
