"""What is kept of runs: their curves while they last, and their record on disk or in PostgreSQL."""
