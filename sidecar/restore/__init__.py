"""Restores: plan, safety backup, restore, undo, drill."""
