"""Learners: what turns scored episodes into a strategy."""
