"""Settings become a plan, and a plan becomes one output."""
