"""What is done in the background: one kind of run a file, and sweeps of them."""
