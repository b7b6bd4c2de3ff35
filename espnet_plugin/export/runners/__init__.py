"""Scripts copied beside an exported model; they need nothing of this plugin."""
