-- For a fleet of thousands of hosts and many who look: what is slow is asked once every ten seconds, not once a look. Needs refreshable materialized
-- views (ClickHouse 24.10 or newer). `chains_now` and `root_blockers_now` are `chains` and `root_blockers` as of then.
CREATE MATERIALIZED VIEW IF NOT EXISTS blockwatch.chains_now REFRESH EVERY 10 SECOND ENGINE = MergeTree ORDER BY (root_key, host, tid) AS
SELECT * FROM blockwatch.chains;
CREATE MATERIALIZED VIEW IF NOT EXISTS blockwatch.root_blockers_now REFRESH EVERY 10 SECOND ENGINE = MergeTree ORDER BY (victims, root_key) AS
SELECT * FROM blockwatch.root_blockers;
-- What was at the root at each minute, kept for a month.
CREATE MATERIALIZED VIEW IF NOT EXISTS blockwatch.root_blockers_then REFRESH EVERY 1 MINUTE APPEND ENGINE = MergeTree ORDER BY (moment, root_key) TTL toDateTime(moment) + INTERVAL 30 DAY AS
SELECT now() AS moment, * FROM blockwatch.root_blockers;
