"""HTML, and words on pictures."""
