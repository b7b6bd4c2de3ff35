"""One thin command-line module a stage; no logic lives here."""
