"""Training: one learner for every rung, its schedules, and the probes around it."""
