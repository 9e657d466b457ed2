"""The lecture's models, written to be read, and the catalog that lists them."""
