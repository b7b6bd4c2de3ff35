"""The many trainings behind a table: which, in what order, and what is done already."""
