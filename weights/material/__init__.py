"""Drawing material for training: ink, motion, figures, scenery, pages, and kinds of clips."""
