"""Dispatch: which unit goes. A unit is offered the work, then the next, then the operator has it."""
