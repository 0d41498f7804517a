"""The training loop, one for all pipelines, and what it stands on."""
