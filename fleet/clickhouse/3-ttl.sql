-- How long what is kept. A file of its own: who looks at an old recording leaves it out, or would be asked about nothing.

-- The line itself for a week, its columns for a month; a day's partition goes in one piece.
ALTER TABLE blockwatch.records MODIFY COLUMN line String CODEC(ZSTD(3)) TTL toDateTime(ts) + INTERVAL 7 DAY;
ALTER TABLE blockwatch.records MODIFY TTL toDateTime(ts) + INTERVAL 30 DAY;
ALTER TABLE blockwatch.records MODIFY SETTING ttl_only_drop_parts = 1;
-- A call that is open is said again within the hour, so that its last record is young; what is idle or busy is not, and is forgotten after a week.
ALTER TABLE blockwatch.calls MODIFY TTL toDateTime(ts) + INTERVAL 8 DAY;
-- Ends stay for an hour, against lines that come late: an older record of the call would open it again.
ALTER TABLE blockwatch.open_state MODIFY TTL toDateTime(ts) + INTERVAL 1 HOUR DELETE WHERE action IN ('returned', 'ended', 'slow'), toDateTime(ts) + INTERVAL 8 DAY;
ALTER TABLE blockwatch.runs MODIFY TTL toDateTime(last_at) + INTERVAL 30 DAY;
ALTER TABLE blockwatch.rejected MODIFY TTL received + INTERVAL 30 DAY;
