"""Measures real machines, their links and devices, and writes what it found as presets."""
