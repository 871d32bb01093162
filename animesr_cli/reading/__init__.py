"""A file, images or a pipe become frames with exact times."""
