"""What never varies: matrix -> jobs -> shared stages -> reports. Imports registry and results."""
