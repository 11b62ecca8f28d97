"""Bridges to other frameworks, thin and one file each; a framework is imported only where its bridge is used."""
