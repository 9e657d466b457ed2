"""Looks inside a model, without training it."""
