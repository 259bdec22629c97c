"""Local time: quiet hours, dates of customers and calendars, without a clock or files.

The time zones are a committed table (`zone_table.py`) and not those of the machine: a replay decides
alike wherever it runs. A renewed table is a change of the program like any other: from then on other
instants may come out for zones whose government changed them.

`zones.py` tells local times, `quiet.py` when quiet hours end, `calendar.py` what is due when.
Everywhere a wall time that is skipped counts as the first instant after the gap.
"""
