"""A static page that recognises speech with exported models."""
