"""Scores of a clip against the truth."""
