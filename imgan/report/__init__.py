"""Pages for people: what a run, and later a comparison, has to show. Static files, no server."""
