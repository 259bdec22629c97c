"""A policy file that holds nothing back, for tests of what campaigns do by themselves."""

POLICY = """
caps: [{actions: 50, per: 7d}]
quiet_hours: none
holdout: 0%
seasons: [3, 4]
mutes: []
offers:
  classes: {gift: {perk: true, expires: 30d}}
  floor: 10%
  floors: {}
  never_discounted: []
  without_costs: perks
"""
