"""The Runs page: what was trained on this server, and the lecture beside it."""
