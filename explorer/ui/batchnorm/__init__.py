"""Inside the network: races, layers, evaluation, the map of rates, through time."""
