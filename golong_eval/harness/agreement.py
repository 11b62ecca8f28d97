"""How far the judges of a stored run agree, with each other and with a person."""
