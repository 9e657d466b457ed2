"""Class activation maps, from a photo to a verdict."""
