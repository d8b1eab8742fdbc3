"""Fuzzing of everything that reads bytes of strangers: `python -m fuzz`, or `make fuzz`."""
