"""Methods side by side: pages, sheets, split screens."""
