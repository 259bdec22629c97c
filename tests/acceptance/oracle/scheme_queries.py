"""What each scheme says, as SQL over the tables of `history` and `thresholds`.

A query gives one row (customer_id, segment) for each customer that has one. Table `score` holds the
scores of five levels, `three` those of three, `cell` the maps that name their cells. `$enough` says
whether the limits of the base apply.
"""

from __future__ import annotations

# `limits` holds lists of whole numbers; `list_filter` counts those reached or passed.
SCORES = """
CREATE TEMP TABLE score AS
SELECT customer_id,
       len($r) + 1 - {reached}($r, age_ms) AS r,
       {f} + 1 AS f,
       {m} + 1 AS m
FROM figure WHERE last_ms IS NOT NULL
"""

MACROS = (
    "CREATE TEMP MACRO days(n) AS CAST(n AS BIGINT) * 86400000",
    "CREATE TEMP MACRO reached(cuts, x) AS len(list_filter(cuts, lambda cut: cut <= x))",
    "CREATE TEMP MACRO passed(cuts, x) AS len(list_filter(cuts, lambda cut: cut < x))",
    # Half of F + M, rounded up.
    "CREATE TEMP MACRO fm(f, m) AS (f + m + 1) // 2",
)

RFM = """
SELECT customer_id,
    CASE WHEN r >= 4 AND f >= 4 AND m >= 4 THEN 'Champions'
         WHEN r >= 3 AND f >= 3 THEN 'Loyal Customers'
         WHEN r >= 4 THEN 'Potential Loyalists'
         WHEN r = 3 OR (r = 2 AND (f >= 2 OR m >= 3)) OR (r = 1 AND f >= 3 AND m >= 3)
             THEN 'At Risk'
         ELSE 'Lost Customers' END AS segment
FROM score
"""

ELEVEN = """
SELECT customer_id, cell.segment
FROM score JOIN cell ON cell.map = 'eleven' AND cell.cell = concat(r, f, m)
"""

# Rows R, columns ceil((F + M) / 2).
GRID = """
SELECT customer_id, cell.segment
FROM score JOIN cell ON cell.map = 'grid' AND cell.cell = concat(r, fm(f, m))
"""

RF_TEN = """
SELECT customer_id,
    CASE WHEN r <= 2 AND f <= 2 THEN 'Hibernating'
         WHEN r <= 2 AND f <= 4 THEN 'At Risk'
         WHEN r <= 2 THEN 'Can''t Lose'
         WHEN r = 3 AND f <= 2 THEN 'About to Sleep'
         WHEN r = 3 AND f = 3 THEN 'Need Attention'
         WHEN r <= 4 AND f >= 4 THEN 'Loyal'
         WHEN r = 4 AND f = 1 THEN 'Promising'
         WHEN r = 5 AND f = 1 THEN 'New'
         WHEN r = 5 AND f >= 4 THEN 'Champions'
         ELSE 'Potential Loyalists' END AS segment
FROM score
"""

THREE = """
SELECT customer_id, cell.segment
FROM three JOIN cell ON cell.map = 'three_by_three' AND cell.cell = concat(r, f, m)
"""

# "Above the mean of repeat buyers" in whole numbers: orders x buyers > orders of them all.
LOYALTY = """
SELECT customer_id,
    CASE WHEN $enough THEN
             CASE WHEN lifetime_orders * $repeat_buyers > $repeat_orders
                       AND lifetime_orders > $vip_orders AND lifetime_monetary > $vip_net
                      THEN 'VIP'
                  WHEN lifetime_orders * $repeat_buyers > $repeat_orders THEN 'Frequent Buyer'
                  WHEN lifetime_orders >= 2 THEN 'Loyal Customer'
                  ELSE 'One Time Buyer' END
         ELSE CASE WHEN lifetime_orders >= 10 THEN 'VIP'
                   WHEN lifetime_orders >= 4 THEN 'Frequent Buyer'
                   WHEN lifetime_orders >= 2 THEN 'Loyal Customer'
                   ELSE 'One Time Buyer' END
    END AS segment
FROM figure WHERE lifetime_orders > 0
"""

VALUE = """
SELECT customer_id,
    CASE WHEN value_monetary <= 0 OR $least_a IS NULL THEN 'C'
         WHEN value_monetary >= $least_a THEN 'A'
         WHEN value_monetary >= $least_b THEN 'B'
         ELSE 'C' END AS segment
FROM figure WHERE $enough AND value_orders > 0
"""

# The latest twelve gaps between orders, and whether an order of late ended a sleeper's.
PACE = """
CREATE TEMP TABLE pace AS
SELECT customer_id,
       CAST(2 * median(gap) FILTER (recent <= 12) AS BIGINT) AS twice_median,
       coalesce(bool_or($now - at_ms < days(30) AND gap >= days(26 * 7)), false) AS is_back
FROM (
    SELECT customer_id, at_ms,
           at_ms - lag(at_ms) OVER (PARTITION BY customer_id ORDER BY at_ms, event_id) AS gap,
           row_number() OVER (
               PARTITION BY customer_id ORDER BY at_ms DESC, event_id DESC) AS recent
    FROM counting)
GROUP BY customer_id
"""

# A span of d is over at exactly d: a silence or a gap of d has exceeded it. Twice the median is a
# whole number, also of an even count: 4 x silence >= 3 x that is silence >= 1.5 x the median.
LIFECYCLE = """
SELECT customer_id,
    CASE WHEN last_ms IS NULL THEN 'Prospect'
         WHEN age_ms >= days(365) THEN 'Lost'
         WHEN age_ms >= days(26 * 7) THEN 'Sleeper'
         WHEN is_back THEN 'Reactivated'
         WHEN lifetime_orders = 1 AND age_ms < days(90) THEN 'New Buyer'
         WHEN lifetime_orders < 3 AND age_ms >= days(90) THEN 'Slipping'
         WHEN lifetime_orders >= 3 AND age_ms >= days(30) AND age_ms * 4 >= twice_median * 3
             THEN 'Slipping'
         ELSE 'Active' END AS segment
FROM figure LEFT JOIN pace USING (customer_id)
"""

FREQUENCY = """
SELECT customer_id,
    CASE WHEN age_ms >= days(365) THEN 'Inactive'
         WHEN count(*) FILTER ($now - at_ms < days(365)) >= 4 THEN 'Frequent'
         ELSE 'Occasional' END AS segment
FROM figure JOIN counting USING (customer_id) GROUP BY customer_id, age_ms
"""

# One row a flag. Shares are compared by multiplying out, the variation by its square: with n orders
# of sum s and sum of squares q, (q / n - (s / n)^2) / (s / n)^2 <= 1/16. HUGEINT holds the squares
# of sums up to 10^18 minor units.
BEHAVIOUR = """
WITH
asked AS (
    SELECT *, discount > 0 AND discount * 100 >= 20 * (total + discount) OR has_coupon AS promoted
    FROM placed WHERE $now - at_ms < days(365) AND NOT is_cancelled),
bought AS (
    SELECT customer_id, sum(total) AS gross, count(*) AS orders,
           sum(total - CASE WHEN counts THEN net ELSE 0 END) AS returned,
           count(*) FILTER (counts) AS kept,
           coalesce(sum(net) FILTER (counts), 0) AS net,
           coalesce(sum(CAST(net AS HUGEINT) * net) FILTER (counts), 0) AS net_squares,
           count(*) FILTER (counts AND promoted) AS promoted,
           coalesce(sum(net) FILTER (counts AND promoted), 0) AS promoted_net
    FROM asked GROUP BY customer_id),
brought_back AS (
    SELECT customer_id, count(*) AS returns FROM returned
    WHERE $now - at_ms < days(365) GROUP BY customer_id),
unplaced AS (
    SELECT customer_id, sum(amount) AS amount FROM loose
    WHERE $now - at_ms < days(365) GROUP BY customer_id),
served AS (
    SELECT customer_id, count(*) AS contacts, count(*) FILTER (complaint) AS complaints,
           -- Millionths of a minor unit: thousandths of a minute times those of its rate.
           sum(coalesce(cost * 1000000, coalesce(minutes_milli, 8000) * $minute_rate)) AS micro
    FROM contact WHERE $now - at_ms < days(365) GROUP BY customer_id),
tried AS (
    SELECT offer.customer_id, offer.at_ms, bool_or(c.at_ms IS NOT NULL) AS answered
    FROM offer LEFT JOIN counting c ON c.customer_id = offer.customer_id
        AND c.at_ms > offer.at_ms AND c.at_ms < offer.at_ms + days(2)
    WHERE $now - offer.at_ms < days(365) GROUP BY offer.customer_id, offer.at_ms),
answers AS (
    SELECT customer_id, count(*) AS offers, count(*) FILTER (answered) AS answered
    FROM tried GROUP BY customer_id),
known AS (
    SELECT customer_id, coalesce(gross, 0) AS gross, coalesce(bought.orders, 0) AS orders,
           coalesce(returned, 0) + coalesce(unplaced.amount, 0) AS returned,
           coalesce(kept, 0) AS kept, coalesce(bought.net, 0) AS net, net_squares, promoted,
           promoted_net, coalesce(returns, 0) AS returns, coalesce(contacts, 0) AS contacts,
           coalesce(complaints, 0) AS complaints, coalesce(micro, 0) AS micro,
           coalesce(bought.net, 0) - coalesce(unplaced.amount, 0) AS revenue,
           coalesce(offers, 0) AS offers, coalesce(answered, 0) AS answered,
           lifetime_orders, units_milli
    FROM figure LEFT JOIN bought USING (customer_id) LEFT JOIN brought_back USING (customer_id)
    LEFT JOIN unplaced USING (customer_id) LEFT JOIN served USING (customer_id)
    LEFT JOIN answers USING (customer_id)),
flagged AS (
    SELECT customer_id, 'Revenue Reverser' AS flag FROM known
    WHERE gross > 0 AND (returns >= 3 AND orders >= 3 AND returned * 100 > gross * 30
        OR complaints >= 3 AND returned * 100 > gross * 20)
    UNION ALL SELECT customer_id, 'Promotion Maximizer' FROM known
    WHERE kept >= 3 AND net > 0
        AND 80 * promoted_net * kept + 20 * promoted * net >= 60 * net * kept
    UNION ALL SELECT customer_id, 'Spending Limiter' FROM known
    WHERE kept >= 4 AND net > 0
        AND 16 * (kept * net_squares - CAST(net AS HUGEINT) * net) <= CAST(net AS HUGEINT) * net
        AND (offers < 2 OR answered = 0)
    UNION ALL SELECT customer_id, 'Service Demander' FROM known
    WHERE contacts >= 3 AND micro > 0 AND (revenue <= 0 OR micro * 100 > revenue * 1000000 * 10)
    UNION ALL SELECT customer_id, 'Bulk Buyer' FROM known
    WHERE $enough AND lifetime_orders >= 3 AND units_milli > $units_90)
SELECT customer_id, string_agg(flag, '|' ORDER BY flag) AS segment
FROM flagged GROUP BY customer_id
"""

# The shipped examples that need no attribute and no category. The average is rounded half-even, so
# 199.995 is 200.00 already; a median of half a millisecond above 31 days is rounded down to them.
ATTRIBUTES = """
WITH flagged AS (
    SELECT customer_id, 'Large Quantity Buyers' AS flag FROM figure
    WHERE orders >= 3 AND lifetime_orders >= 3 AND units_milli >= 20000
    UNION ALL SELECT customer_id, 'High Spend per Order' FROM figure
    WHERE orders >= 3 AND 2 * net * 100 >= orders * (400 * 100 - 1) * $unit
    UNION ALL SELECT customer_id, 'Monthly Buyers' FROM figure JOIN pace USING (customer_id)
    WHERE lifetime_orders >= 3 AND twice_median <= 2 * days(31) + 1)
SELECT customer_id, string_agg(flag, '|' ORDER BY flag) AS segment
FROM flagged GROUP BY customer_id
"""

ANSWER = """
SELECT figure.customer_id, last_ms, orders, monetary, lifetime_orders, lifetime_monetary,
       value_orders, value_monetary, score.r, score.f, score.m, {columns}
FROM figure LEFT JOIN score USING (customer_id) {joins}
ORDER BY figure.customer_id
"""

QUERIES = {
    "rfm": RFM,
    "rfm_eleven": ELEVEN,
    "rfm_grid": GRID,
    "rfm_rf_ten": RF_TEN,
    "rfm_three_by_three": THREE,
    "loyalty": LOYALTY,
    "value": VALUE,
    "lifecycle": LIFECYCLE,
    "frequency": FREQUENCY,
    "behaviour": BEHAVIOUR,
    "attributes": ATTRIBUTES,
}
"""By the names of the schemes as the product calls them."""
