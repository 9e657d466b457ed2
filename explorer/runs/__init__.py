"""What runs in the background: jobs, their record on disk, and one kind of run a file."""
