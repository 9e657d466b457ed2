"""What the lecture says, and what came out here."""
