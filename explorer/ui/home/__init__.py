"""The home page: the lecture as a map, its claims, this server."""
