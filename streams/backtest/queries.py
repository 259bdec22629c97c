"""The SQL behind the figures, over the tables of the ledger.

Sums are whole numbers, so that no order of rows changes them. `$window` and `$known` are milliseconds,
`$day` the milliseconds of a day.
"""

PREPARE = """
CREATE TABLE bought AS
SELECT a.set_no, a.action_id, count(p.at_ms) AS orders,
       CAST(coalesce(sum(p.net_minor), 0) AS BIGINT) AS net_minor
FROM actions a
LEFT JOIN became b ON b.customer_id = a.customer_id
LEFT JOIN purchases p ON p.customer_id = coalesce(b.became, a.customer_id)
    AND p.at_ms > a.decided_ms AND p.at_ms <= a.decided_ms + $window
WHERE a.decided_ms + $window <= $known
GROUP BY a.set_no, a.action_id
"""
# Mergers go on from one to the next; decide stops after eight (streams/core/merging.py).
BECAME = """
CREATE TABLE became AS
WITH RECURSIVE chain(customer_id, became, hops) AS (
    SELECT customer_id, became, 1 FROM mergers
    UNION ALL
    SELECT c.customer_id, m.became, c.hops + 1 FROM chain c
    JOIN mergers m ON m.customer_id = c.became WHERE c.hops < 8
)
SELECT customer_id, arg_max(became, hops) AS became FROM chain GROUP BY customer_id
"""
COUNTS = """
SELECT set_no, campaign,
       count(*) FILTER (NOT is_control),
       count(DISTINCT customer_id) FILTER (NOT is_control),
       count(*) FILTER (is_control),
       count(DISTINCT c.action_id)
FROM actions a LEFT JOIN cancellations c USING (set_no, action_id)
GROUP BY set_no, campaign
"""
SUPPRESSED = """
SELECT set_no, campaign, reason, count(*) FROM suppressions
GROUP BY set_no, campaign, reason ORDER BY set_no, campaign, reason
"""
SHARES = """
SELECT set_no, campaign, is_control, count(*), count(*) FILTER (b.orders > 0)
FROM actions a JOIN bought b USING (set_no, action_id)
GROUP BY set_no, campaign, is_control
"""
AFTER = """
SELECT set_no, campaign, count(*), CAST(sum(net_minor) AS BIGINT) FROM (
    SELECT DISTINCT a.set_no, a.campaign, p.customer_id, p.number, p.net_minor
    FROM actions a
    JOIN bought USING (set_no, action_id)
    LEFT JOIN became b ON b.customer_id = a.customer_id
    JOIN purchases p ON p.customer_id = coalesce(b.became, a.customer_id)
        AND p.at_ms > a.decided_ms AND p.at_ms <= a.decided_ms + $window
    WHERE NOT a.is_control
) GROUP BY set_no, campaign
"""
KNOWN_FROM = """
SELECT (first_ms + $day - 1) // $day AS day, count(*) FROM (
    SELECT min(at_ms) AS first_ms FROM purchases GROUP BY customer_id
) GROUP BY day ORDER BY day
"""
# Each order makes its customer a buyer of the seven midnights before it, if known by then.
BUYERS = """
WITH firsts AS (SELECT customer_id, min(at_ms) AS first_ms FROM purchases GROUP BY customer_id),
buyers AS (
    SELECT DISTINCT customer_id,
           UNNEST(range((at_ms - 1) // $day - 6, (at_ms - 1) // $day + 1)) AS day
    FROM purchases
)
SELECT day, count(*) FROM buyers JOIN firsts USING (customer_id)
WHERE first_ms <= day * $day GROUP BY day
"""
ACTION_DAYS = """
SELECT set_no, campaign, decided_ms // $day AS day, count(*)
FROM actions JOIN bought USING (set_no, action_id) WHERE NOT is_control
GROUP BY set_no, campaign, day ORDER BY set_no, campaign, day
"""
FOLLOWED = """
SELECT a.set_no, a.customer_id, a.campaign, a.step, a.decided_ms, a.due_ms, a.template, a.voucher,
       a.is_control, coalesce(c.reason, ''), b.orders, b.net_minor
FROM actions a
LEFT JOIN (SELECT set_no, action_id, min(reason) AS reason FROM cancellations
           GROUP BY set_no, action_id) c USING (set_no, action_id)
LEFT JOIN bought b USING (set_no, action_id)
ORDER BY a.set_no, a.decided_ms, a.customer_id, a.campaign, a.step, a.action_id
"""
SUPPRESSIONS = """
SELECT * FROM suppressions ORDER BY set_no, decided_ms, customer_id, campaign, step, event_id
"""
ONLY_ONE = """
SELECT min(set_no), customer_id, count(*), string_agg(DISTINCT campaign, '|' ORDER BY campaign),
       min(decided_ms)
FROM actions WHERE NOT is_control
GROUP BY customer_id HAVING count(DISTINCT set_no) = 1 ORDER BY 1, 2
"""
ADDRESSED = (
    "SELECT set_no, count(DISTINCT customer_id) FROM actions WHERE NOT is_control GROUP BY 1"
)
ONLY_ONE_COUNTS = """
SELECT set_no, count(*) FROM (
    SELECT min(set_no) AS set_no FROM actions WHERE NOT is_control
    GROUP BY customer_id HAVING count(DISTINCT set_no) = 1
) GROUP BY set_no
"""
WEEKS = """
SELECT set_no, campaign, (decided_ms // $day + $monday) // 7 AS week, count(*)
FROM actions WHERE NOT is_control GROUP BY ALL ORDER BY ALL
"""
