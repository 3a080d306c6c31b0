"""What the live figures show, computed: settings in, a record of arrays out. No plotting here."""
