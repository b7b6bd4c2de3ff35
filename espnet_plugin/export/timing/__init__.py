"""What an exported file takes on the machine it runs on: time, memory, start."""
