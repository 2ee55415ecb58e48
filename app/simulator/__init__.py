"""Plays FastGPT's side of the wire: visitors who open a share link, ask, and are billed.

It knows what FastGPT sends and what FastGPT accepts, and nothing of how this service counts: the
totals it expects are known from how each answer was made up, so that the ledger has somebody to
disagree with.
"""
