"""Decisions: fees, rebalancing and the guard before every act.

Pure and synchronous; depends on analytics and below.
"""
