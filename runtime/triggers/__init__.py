"""Triggers: their settings and what they tell a flow."""
