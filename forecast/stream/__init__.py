"""Rows as they arrive: lines to readings, readings to states, states to forecasts; no panel."""
