"""The way back: plan, restore, undo, drill."""
