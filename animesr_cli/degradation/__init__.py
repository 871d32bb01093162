"""The degradation model: from a clean clip to a bad one."""
