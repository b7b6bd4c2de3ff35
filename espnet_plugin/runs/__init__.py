"""The trainings behind a table: their plan, order, execution and state."""
