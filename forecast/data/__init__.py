"""The data room: tables, panels, clocks, forecasts as values, and the embedded data sets."""
