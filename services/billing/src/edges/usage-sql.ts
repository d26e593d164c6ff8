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

/** Sorts after every id. */
const LAST_ID = 'chr(1114111)';

/** Transfers that a page walks per event that it may list: a request has at most four. */
const TRANSFERS_PER_EVENT = 20;

/**
 * A page of requests by event id: usage events, and charges whose event is missing. It reads no more of the ledger than
 * lies between its events, and a fixed part where more than that does: payments, of which there may be any number.
 * `end_id` is where it ends, null if nothing comes behind it. Ends are values, no conditions with OR: those would have
 * every page read the rest of the ledger, for an index can't serve them.
 */
const page = (events: string, transfers: string) => `
WITH known AS MATERIALIZED (
  SELECT event_id, account_id, request_id, kind, event FROM usage_event
  WHERE ${events} AND event_id > $2 COLLATE "C" ORDER BY event_id LIMIT $3
), walked AS MATERIALIZED (
  SELECT t.event_id, t.kind, substr(ledger_customer(t.debit, t.credit), 10) AS account_id
  FROM ledger_transfer t
  WHERE ${transfers} AND t.event_id > $2 COLLATE "C"
    AND t.event_id <= (SELECT CASE count(*) WHEN $3 THEN max(event_id) ELSE ${LAST_ID} END FROM known) COLLATE "C"
  ORDER BY t.event_id LIMIT $3::bigint * ${TRANSFERS_PER_EVENT}
), page_end AS MATERIALIZED (
  SELECT least(
    (SELECT max(event_id) FROM known HAVING count(*) = $3),
    (SELECT max(event_id) FROM walked HAVING count(*) = $3::bigint * ${TRANSFERS_PER_EVENT})
  ) AS end_id
), listed AS (
  SELECT event_id, account_id, request_id, kind, event FROM known
  WHERE event_id <= (SELECT COALESCE(end_id, ${LAST_ID}) FROM page_end) COLLATE "C"
  UNION ALL
  SELECT DISTINCT w.event_id, w.account_id, NULL, NULL, NULL::jsonb FROM walked w
  WHERE w.kind IN ('charge', 'correction') AND NOT EXISTS (SELECT FROM usage_event u WHERE u.event_id = w.event_id)
  ORDER BY event_id LIMIT $3
)
SELECT e.end_id, l.event_id, l.account_id, l.event,
  COALESCE(l.kind = 'lost', false)
    AND EXISTS (SELECT FROM usage_event f WHERE f.event_id = l.request_id || ':final' COLLATE "C") AS superseded,
  COALESCE((
    SELECT sum(CASE t.kind WHEN 'charge' THEN t.amount_nano ELSE -t.amount_nano END)
    FROM ledger_transfer t
    WHERE t.event_id IN (l.event_id, l.request_id || ':final' COLLATE "C", l.request_id || ':lost' COLLATE "C")
      AND t.kind IN ('charge', 'correction')
  ), 0)::bigint AS charged_nano
FROM page_end e LEFT JOIN listed l ON true ORDER BY l.event_id`;

export const CHARGED_OF_ACCOUNT = page(
  'account_id = $1',
  `ledger_customer(t.debit, t.credit) = ('customer:' || $1) COLLATE "C"`,
);
export const CHARGED_OF_ALL = page('$1::text IS NULL', 'true');

export const EVENT_ID_AFTER = `
SELECT min(event_id) AS event_id FROM (
  (SELECT event_id FROM usage_event WHERE event_id > $1 COLLATE "C" ORDER BY event_id LIMIT 1)
  UNION ALL
  (SELECT event_id FROM ledger_transfer WHERE event_id > $1 COLLATE "C" ORDER BY event_id LIMIT 1)
) nearest`;
