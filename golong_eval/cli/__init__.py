"""The command `golong`: one file a verb, no logic."""
