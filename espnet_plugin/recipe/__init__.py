"""Recipes: their options, checks and stages, and finished recipes of ESPnet."""
