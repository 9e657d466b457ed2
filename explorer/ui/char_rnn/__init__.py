"""The Character RNN page: its text, and letting a model write."""
