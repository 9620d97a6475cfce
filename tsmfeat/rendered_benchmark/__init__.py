"""A harder rendered data set than the small demo's: its scripts, its pictures, its dial. numpy only."""
