"""The stages of recipes: what each needs, runs and writes."""
