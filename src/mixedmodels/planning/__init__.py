"""Studies before their data: power by simulation."""
