"""Surveys: questions as data, and answers."""
