"""The terminal's longer commands: a file each; and what they all say in."""
