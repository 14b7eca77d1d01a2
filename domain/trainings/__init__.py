"""Trainings: the catalogue, purchases, redemption, reviews and their evaluation."""
