"""Tasks over processes and machines; nothing here knows video."""
