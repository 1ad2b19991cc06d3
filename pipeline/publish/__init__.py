"""Giving a dataset away: the Hub, other trainers' formats, licences."""
