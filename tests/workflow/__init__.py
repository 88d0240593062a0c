"""The contract of the two doors, Snakemake and DVC, run for real."""
