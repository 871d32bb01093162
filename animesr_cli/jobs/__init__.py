"""Long work in chunks: nothing that is finished is computed twice."""
