"""Deterministic simulation: the whole engine over a virtual clock, a seeded scheduler and a store that crashes.

One seed is one history. `World` owns everything outside the engine, counts the places where a fault can strike,
and keeps its own record of what was acknowledged and what took effect, so that no claim of the engine's has to
be believed.
"""
