"""Work in the background: a job, whose turn it is, and where it is done: in this process, or on workers elsewhere."""
