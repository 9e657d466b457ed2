"""A run as something that works without this program: a script, a notebook, weights, ONNX, a chart as a page."""
