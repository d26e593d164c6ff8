/** Of both events of a request the `final` one counts, which sorts first. */
export const FIND_USAGE = `
SELECT event FROM usage_event
WHERE event_id IN ($2 || ':final' COLLATE "C", $2 || ':lost' COLLATE "C") AND account_id = $1
ORDER BY event_id LIMIT 1`;

export const USAGE_BY_DAY = `
SELECT day::text AS day, model, sum(cost_nano)::bigint AS cost_nano, sum(request_count)::bigint AS request_count
FROM usage_day
WHERE account_id = $1 AND day BETWEEN $2::date AND $3::date AND ($4::text IS NULL OR key_id = $4 COLLATE "C")
GROUP BY day, model ORDER BY day, model`;

/**
 * A page of requests by event id: usage events, and charges whose event is missing. Only the last page looks for those
 * behind its last event, so that no page reads more of the ledger than it covers.
 */
const page = (events: string, transfers: string) => `
WITH known AS MATERIALIZED (
  SELECT event_id, account_id, request_id, kind, event FROM usage_event
  WHERE ${events} AND event_id > $2 COLLATE "C" ORDER BY event_id LIMIT $3
), orphan AS MATERIALIZED (
  SELECT DISTINCT t.event_id, substr(ledger_customer(t.debit, t.credit), 10) AS account_id
  FROM ledger_transfer t
  WHERE ${transfers} AND t.kind IN ('charge', 'correction') AND t.event_id > $2 COLLATE "C"
    AND ((SELECT count(*) FROM known) < $3 OR t.event_id <= (SELECT max(event_id) FROM known))
    AND NOT EXISTS (SELECT FROM usage_event u WHERE u.event_id = t.event_id)
  ORDER BY t.event_id LIMIT $3
), listed AS (
  SELECT event_id, account_id, request_id, kind, event FROM known
  UNION ALL SELECT event_id, account_id, NULL, NULL, NULL FROM orphan
  ORDER BY event_id LIMIT $3
)
SELECT l.event_id, l.account_id, l.event,
  COALESCE(l.kind = 'lost', false)
    AND EXISTS (SELECT FROM usage_event f WHERE f.event_id = l.request_id || ':final' COLLATE "C") AS superseded,
  COALESCE((
    SELECT sum(CASE t.kind WHEN 'charge' THEN t.amount_nano ELSE -t.amount_nano END)
    FROM ledger_transfer t
    WHERE t.event_id IN (l.event_id, l.request_id || ':final' COLLATE "C", l.request_id || ':lost' COLLATE "C")
      AND t.kind IN ('charge', 'correction')
  ), 0)::bigint AS charged_nano
FROM listed l ORDER BY l.event_id`;

export const CHARGED_OF_ACCOUNT = page(
  'account_id = $1',
  `ledger_customer(t.debit, t.credit) = ('customer:' || $1) COLLATE "C"`,
);
export const CHARGED_OF_ALL = page('$1::text IS NULL', 'true');
