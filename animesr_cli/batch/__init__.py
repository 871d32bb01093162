"""Several videos as one job: what is found, what is finished, and the work."""
