"""The command line: words for people, nothing computed."""
