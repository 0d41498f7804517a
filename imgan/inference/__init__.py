"""Use a model: on any image, any size, on what the machine has."""
