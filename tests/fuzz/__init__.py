"""Fuzzing of everything that reads a file: ``make test-fuzz``."""
