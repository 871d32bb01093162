"""An output is complete and verified, or absent."""
