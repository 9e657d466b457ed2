"""The LR finder: sweeps over each other, and the rates they suggest."""
