"""Faults that are injected into running studies: ``make test-faults``."""
