"""Plotly figures: pure functions of what was recorded, one template for all."""
