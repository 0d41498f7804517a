"""Files and pixels: images, photos, degradations."""
