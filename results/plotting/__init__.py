"""Figures for papers, by matplotlib (extra plot)."""
