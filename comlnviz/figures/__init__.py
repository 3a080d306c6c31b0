"""Records in, matplotlib figures out: no pyplot, no Jupyter, artists that are made once and fed."""
