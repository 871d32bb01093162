"""Learning a degradation operator from a low-quality clip."""
