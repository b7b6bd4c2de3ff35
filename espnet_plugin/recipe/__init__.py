"""Recipes: their options and stages, and what a finished one of ESPnet offers."""
