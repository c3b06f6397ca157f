"""The simulated machine: standard library only, deterministic, knows no web.

Its public modules are machine, session, config, image, commands, outcome, events, trace and views; the rest is its inside.
"""
