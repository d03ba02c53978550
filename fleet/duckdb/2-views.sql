-- Who holds up whom across the fleet: the views of fleet/clickhouse/2-views.sql by the same names. docs/fleet.md tells what each says.

-- The moment that is asked about: the last that anybody has said, but not what a clock that is ahead makes of it.
CREATE OR REPLACE VIEW moment AS SELECT least(max(last_at), make_timestamp(epoch_us(now()))) AS moment FROM runs;

-- A host is its name and its id: names repeat, and copied machines share an id. Records without an id are those of the only host of their
-- name. Of a host where blockwatch was started anew only the last start counts: what was open before, that one has said again.
CREATE OR REPLACE VIEW host_runs AS
WITH named AS (
    SELECT host_name, count(DISTINCT host_id) AS ids, count(DISTINCT left(host_id, 8)) AS prefixes, max(host_id) AS only_id
    FROM runs WHERE host_id <> '' GROUP BY host_name),
known AS (
    SELECT runs.*, CASE WHEN runs.host_id = '' AND ids = 1 THEN only_id ELSE runs.host_id END AS machine, coalesce(ids, 0) AS ids, prefixes
    FROM runs LEFT JOIN named USING (host_name))
SELECT known.*, host_name || CASE WHEN ids < 2 THEN '' WHEN prefixes = ids THEN ' (' || left(machine, 8) || ')' ELSE ' (' || machine || ')' END AS host,
    last_at >= max(first_at) OVER (PARTITION BY host_name, machine) AS is_current,
    max(last_at) OVER (PARTITION BY host_name, machine) AS host_at
FROM known;

-- Every call with its host; `until` is when it ended or was known to last. A call that should have been said again and was not, while lines of
-- its run are missing, has probably ended in one of those.
CREATE OR REPLACE VIEW all_calls AS
SELECT calls.*, host, host_at, is_current AND action IN ('blocked', 'still_blocked') AS is_open,
    CASE WHEN action IN ('returned', 'ended', 'slow') OR NOT is_current THEN ts ELSE host_at END AS until,
    missing > 0 AND action IN ('blocked', 'still_blocked') AND verdict IN ('deadlock', 'stuck', 'waiting')
        AND epoch_us(host_at) - epoch_us(ts) > 2 * least(duration // 1000 + 20000000, 3600000000) + 60000000 AS is_doubtful,
    coalesce(nullif(list_position(['deadlock', 'stuck', 'waiting', 'busy', 'idle'], verdict), 0), 9) AS rank,
    host || '/' || tid || '/' || calls.run_id || event_id AS call_key
FROM calls JOIN host_runs USING (host_name, host_id, run_id);

-- What is blocked now. A thread is in one call: of two that are open the older one's end was lost, or two of blockwatch run at once.
CREATE OR REPLACE VIEW open_calls AS
SELECT * REPLACE (duration + greatest(0, epoch_us(until) - epoch_us(ts)) * 1000 AS duration) FROM all_calls WHERE is_open
QUALIFY row_number() OVER (PARTITION BY host, tid ORDER BY ts DESC, sequence DESC, run_id) = 1;

-- Which host has an address, where one alone has it: private addresses repeat behind translation.
CREATE OR REPLACE VIEW addresses AS
SELECT address, min(host) AS host FROM (
    SELECT host, regexp_extract(near, '^\[?(.*?)\]?:[0-9]+$', 1) AS address FROM (SELECT host, unnest(waits_on).near AS near FROM all_calls)
    UNION SELECT host, regexp_extract(near, '^\[?(.*?)\]?:[0-9]+$', 1) FROM (SELECT host, unnest(held_endpoints) AS near FROM all_calls)
    UNION SELECT host, unnest(addresses) FROM host_runs)
WHERE address <> '' AND leaves_host(address) GROUP BY address HAVING count(DISTINCT host) = 1;

-- Who was last seen to serve an address and port.
CREATE OR REPLACE VIEW endpoints AS
SELECT endpoint, min(host) AS host, arg_max(process_name, ts) AS process_name, arg_max(pid, ts) AS pid, max(ts) AS seen
FROM (SELECT host, process_name, pid, ts, unnest(list_concat(held_endpoints, list_transform(waits_on, lambda w: w.near))) AS endpoint FROM all_calls)
GROUP BY endpoint HAVING count(DISTINCT host) = 1;

-- Where each call's wait ends when it is followed from host to host. `only_open`: what is open now; else of all calls, at the end of each.
CREATE OR REPLACE MACRO chain_ends(only_open) AS TABLE
WITH RECURSIVE base AS MATERIALIZED (
    SELECT call_key, host, tid, pid, process_name, verdict, rank, syscall, resource_name, chain, chain_id, started, until, root_kind, root_address, root_connection,
        waits_on, held_sockets, held_endpoints, truncated, is_doubtful, is_open FROM open_calls WHERE only_open
    UNION ALL
    SELECT call_key, host, tid, pid, process_name, verdict, rank, syscall, resource_name, chain, chain_id, started, until, root_kind, root_address, root_connection,
        waits_on, held_sockets, held_endpoints, truncated, is_doubtful, is_open FROM all_calls WHERE NOT only_open),
-- the connections at which chains leave their host: the one that the record names, else those to the root's address, else all it waits on
leaving AS (
    SELECT call_key, host, tid, chain_id, root_address, started, until, is_open, CASE WHEN root_connection <> '' THEN [root_connection]
        WHEN len(list_filter(waits_on, lambda w: w.far = root_address)) > 0 THEN list_transform(list_filter(waits_on, lambda w: w.far = root_address), lambda w: w.id)
        ELSE list_transform(waits_on, lambda w: w.id) END AS ids
    FROM base WHERE root_kind = 'remote' AND verdict <> 'idle' AND NOT is_doubtful),
holding AS (
    SELECT call_key, host, tid, rank, started, until, is_open, w.id AS id, w.near AS near, 0 AS is_indirect
        FROM (SELECT *, unnest(waits_on) AS w FROM base WHERE NOT is_doubtful)
    UNION ALL
    SELECT call_key, host, tid, rank, started, until, is_open, unnest(held_sockets), '', 1 FROM base WHERE NOT is_doubtful),
-- by connection, to the worst off who has it, then who waits on it. Clocks may be 10 s apart. The same private addresses elsewhere are the same
-- connection's other end only if they are its other end.
exact AS (
    SELECT l.call_key, min((h.rank, h.is_indirect, h.tid, h.call_key)) AS best
    FROM (SELECT * EXCLUDE (ids), unnest(ids) AS id FROM leaving) AS l JOIN holding AS h ON h.id = l.id
    WHERE h.host <> l.host AND (l.is_open OR h.started <= l.until + INTERVAL 10 SECOND) AND (h.is_open OR h.until >= l.until - INTERVAL 10 SECOND)
        AND (h.near = '' OR h.near = l.root_address)
    GROUP BY l.call_key),
-- else who listens at that address and port, if its host alone has the address: it has not accepted the connection, or more than a record names.
-- That is a guess: another process of it may have the connection and not be blocked at all.
serving AS (
    SELECT endpoint, min((rank, tid, call_key)) AS best, min(host) AS host, min(started) AS started, max(until) AS until, bool_or(is_open) AS is_open
    FROM (SELECT b.*, CASE WHEN any_address THEN endpoint(a.address, port) ELSE served END AS endpoint
        FROM (SELECT *, starts_with(served, '0.0.0.0:') OR starts_with(served, '[::]:') AS any_address, try_cast(regexp_extract(served, ':([0-9]+)$', 1) AS UINTEGER) AS port
            FROM (SELECT *, unnest(held_endpoints) AS served FROM base WHERE NOT is_doubtful)) AS b
        LEFT JOIN addresses AS a ON any_address AND a.host = b.host)
    WHERE endpoint IS NOT NULL GROUP BY endpoint HAVING count(DISTINCT host) = 1),
own AS (
    SELECT l.call_key, l.host, l.chain_id, l.ids, coalesce(e.best[4], s.best[3]) AS next, CASE WHEN e.best IS NULL THEN 'endpoint' ELSE 'connection' END AS how
    FROM leaving AS l LEFT JOIN exact AS e USING (call_key)
    LEFT JOIN serving AS s ON s.endpoint = l.root_address AND s.host <> l.host AND (l.is_open OR s.started <= l.until + INTERVAL 10 SECOND) AND (s.is_open OR s.until >= l.until - INTERVAL 10 SECOND)),
-- who waits behind such a call, and does not say by which connection
beside AS (SELECT host, chain_id, min(next) AS next, min(how) AS how FROM own WHERE next IS NOT NULL AND chain_id <> '' GROUP BY ALL),
onward AS (
    SELECT call_key, coalesce(own.next, beside.next) AS next, coalesce(CASE WHEN own.next IS NOT NULL THEN own.how END, beside.how) AS how
    FROM own LEFT JOIN beside ON own.next IS NULL AND len(own.ids) = 0 AND beside.host = own.host AND beside.chain_id = own.chain_id
    WHERE coalesce(own.next, beside.next) IS NOT NULL),
walk AS (
    SELECT call_key AS start, next AS at_key, [call_key] AS path, how = 'endpoint' AS is_guess, call_key = next AS is_circle FROM onward
    UNION ALL
    SELECT start, next, list_append(path, at_key), is_guess OR how = 'endpoint', list_contains(path, next) OR next = at_key
    FROM walk JOIN onward ON call_key = at_key WHERE NOT is_circle AND len(path) < 8),
-- the last step of each; of a circle, and of whoever waits for one, one of its calls stands for it
ended AS (
    SELECT start, path, is_guess, is_circle, len(path) AS hops,
        CASE WHEN is_circle THEN list_min(list_filter(path, lambda k, i: i >= list_position(path, at_key))) ELSE at_key END AS end_key,
        CASE WHEN is_circle THEN list_sort(list_filter(path, lambda k, i: i >= list_position(path, at_key))) ELSE [] END AS circle
    FROM walk QUALIFY row_number() OVER (PARTITION BY start ORDER BY len(path) DESC) = 1),
said AS (SELECT call_key, host || ': ' || CASE WHEN chain <> '' THEN chain ELSE process_name || '[' || pid || '] ' || syscall || ' ' || resource_name END AS text FROM base),
told AS (
    SELECT start, string_agg(text, ' <- ' ORDER BY place) AS path
    FROM (SELECT start, unnest(keys) AS call_key, generate_subscripts(keys, 1) AS place
        FROM (SELECT start, CASE WHEN is_circle THEN path ELSE list_append(path, end_key) END AS keys FROM ended))
    JOIN said USING (call_key) GROUP BY start)
SELECT base.call_key, coalesce(end_key, base.call_key) AS end_key, coalesce(hops, 0) AS hops, coalesce(is_circle, false) AS is_circle, coalesce(is_guess, false) AS is_guess,
    coalesce(circle, []) AS circle, coalesce(told.path, said.text) AS path,
    -- the calls that it goes by, itself the first
    CASE WHEN ended.start IS NULL THEN [base.call_key] WHEN is_circle THEN ended.path ELSE list_append(ended.path, end_key) END AS steps
FROM base JOIN said USING (call_key) LEFT JOIN ended ON start = base.call_key LEFT JOIN told ON told.start = base.call_key
WHERE verdict <> 'idle' AND NOT is_doubtful;

-- Each call with the root of its chain, on whatever host.
CREATE OR REPLACE MACRO rooted(only_open) AS TABLE
WITH waiting AS (SELECT * FROM open_calls WHERE only_open UNION ALL SELECT * FROM all_calls WHERE NOT only_open),
rooted AS (
    SELECT c.host, c.host_name, c.host_id, c.pid, c.tid, c.process_name, c.service_name, c.pod_name, c.user_name, c.command_line, c.syscall, c.resource_kind, c.resource_name, c.verdict, c.reason, c.rank,
        c.started, c.until, c.duration, c.action, c.event_id, c.run_id, c.chain_id, c.victims AS local_victims, x.hops, x.is_circle, x.is_guess, x.circle, x.path, x.steps, x.call_key, x.end_key,
        CASE WHEN x.is_circle THEN 'circle' WHEN e.root_kind IN ('', 'unknown') OR (e.verdict = 'idle' AND x.hops > 0) THEN 'process' ELSE e.root_kind END AS root_kind,
        e AS e
    FROM chain_ends(only_open) AS x JOIN waiting AS c USING (call_key) JOIN waiting AS e ON e.call_key = x.end_key),
placed AS (
    SELECT rooted.* EXCLUDE (e), e.host AS end_host, e.chain_id AS end_chain,
        CASE WHEN root_kind IN ('remote', 'network') THEN coalesce(p.host, a.host, '') ELSE e.host END AS root_host,
        CASE WHEN root_kind = 'circle' OR (root_kind = 'process' AND (e.root_pid = 0 OR e.verdict = 'idle')) THEN e.pid
            WHEN root_kind IN ('remote', 'network') THEN coalesce(p.pid, 0) ELSE e.root_pid END AS root_pid,
        CASE WHEN root_kind = 'circle' OR (root_kind = 'process' AND (e.root_pid = 0 OR e.verdict = 'idle')) THEN e.process_name
            WHEN root_kind IN ('remote', 'network') THEN coalesce(p.process_name, '') ELSE e.root_name END AS root_name,
        CASE WHEN root_kind = 'circle' THEN 'waits in a circle of ' || len(circle)
            WHEN root_kind = 'process' AND (e.root_pid = 0 OR e.verdict = 'idle') THEN trim(e.syscall || ' ' || e.resource_name) || ', ' || e.verdict || ' ' || e.reason
            ELSE e.root_doing END AS root_doing,
        CASE WHEN root_kind IN ('remote', 'network') THEN e.root_address ELSE '' END AS root_address
    FROM rooted LEFT JOIN endpoints AS p ON root_kind IN ('remote', 'network') AND p.endpoint = e.root_address AND p.host <> e.host
    LEFT JOIN addresses AS a ON root_kind IN ('remote', 'network') AND a.address = regexp_extract(e.root_address, '^\[?(.*?)\]?(:[0-9]+)?$', 1) AND a.host <> e.host)
SELECT *, CASE root_kind
    WHEN 'remote' THEN 'address ' || root_address WHEN 'network' THEN 'network ' || root_address
    WHEN 'device' THEN root_host || ' device ' || root_name
    WHEN 'process' THEN root_host || ' process ' || root_pid WHEN 'thread' THEN root_host || ' process ' || root_pid
    WHEN 'circle' THEN 'circle ' || end_key
    ELSE root_host || ' ' || root_kind || ' ' || end_chain END AS root_key
FROM placed;

CREATE OR REPLACE VIEW chains AS
SELECT host, pid, tid, process_name, service_name, syscall, resource_name, verdict, reason, started, duration, hops, is_guess, is_circle,
    root_key, root_host, root_kind, root_pid, root_name, root_doing, root_address, path, steps, call_key, end_key, chain_id, circle
FROM rooted(true);

-- Hosts without a summary for three minutes: the monitor itself hangs, is gone, or its shipper is.
CREATE OR REPLACE VIEW quiet_hosts AS
SELECT host, max(host_at) AS last_at, max(heard_at) AS heard_at, (epoch_us(any_value(moment)) - epoch_us(max(host_at))) // 1000000 AS quiet_seconds,
    bool_or(is_stopped AND is_current) AS is_stopped, max(version) AS version
FROM host_runs, moment GROUP BY host
HAVING epoch_us(any_value(moment)) - epoch_us(coalesce(max(heard_at), max(host_at))) > 180000000 OR bool_or(is_stopped AND is_current)
ORDER BY quiet_seconds DESC, host;

-- The worst first. `is_quiet`: that host says nothing any more itself.
CREATE OR REPLACE VIEW root_blockers AS
SELECT root_host AS host, max(root_kind) AS kind, root_pid AS pid, max(root_name) AS name, max(root_address) AS address, arg_max(root_doing, started) AS doing,
    count(*) AS victims, count(DISTINCT chains.host) AS hosts, list_sort(list_distinct(list(CASE WHEN service_name <> '' THEN service_name ELSE process_name END))) AS services,
    min(started) AS since, sum(duration) // 1000000000 AS waited_seconds, max(duration) // 1000000000 AS longest_seconds, bool_or(is_guess) AS is_guess,
    coalesce(bool_or(q.host IS NOT NULL), false) AS is_quiet, arg_max(path, (hops, duration)) AS example, root_key
FROM chains LEFT JOIN quiet_hosts AS q ON q.host = root_host
GROUP BY root_key, root_host, root_pid ORDER BY victims DESC, hosts DESC, waited_seconds DESC, root_key;

-- Calls that share a root, over time: half an hour without one of them ends an incident.
CREATE OR REPLACE VIEW incidents AS
WITH marked AS (
    SELECT *, coalesce(started > max(until) OVER (PARTITION BY root_key ORDER BY started ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) + INTERVAL 30 MINUTE, true) AS is_first
    FROM rooted(false)),
numbered AS (SELECT *, sum(CASE WHEN is_first THEN 1 ELSE 0 END) OVER (PARTITION BY root_key ORDER BY started, call_key) AS part FROM marked)
SELECT root_host AS host, max(root_kind) AS kind, root_pid AS pid, max(root_name) AS name, max(root_address) AS address, arg_max(root_doing, started) AS doing,
    min(started) AS since, max(until) AS until, bool_or(action IN ('blocked', 'still_blocked')) AS is_open, count(*) AS calls, count(DISTINCT numbered.host) AS hosts,
    list_sort(list_distinct(list(CASE WHEN service_name <> '' THEN service_name ELSE process_name END))) AS services, sum(duration) // 1000000000 AS waited_seconds,
    max(duration) // 1000000000 AS longest_seconds, arg_max(path, (hops, duration)) AS example, root_key
FROM numbered GROUP BY root_key, root_host, root_pid, part ORDER BY waited_seconds DESC, root_key;

-- Circles over several hosts, and deadlocks within one. Nothing in the stream proves that nobody in a circle of hosts has a way out.
CREATE OR REPLACE VIEW mutual_waits AS
SELECT 'circle' AS kind, list_sort(list_distinct(list(m.host))) AS hosts, list_sort(list_distinct(list(m.host || ': ' || m.process_name || '[' || m.pid || '] ' || m.syscall || ' ' || m.resource_name))) AS members,
    min(m.started) AS since, (SELECT count(*) FROM chains AS behind WHERE behind.root_key = c.root_key) AS victims, c.root_key AS root_key
FROM (SELECT root_key, unnest(circle) AS call_key FROM chains WHERE is_circle) AS c JOIN chains AS m ON m.call_key = c.call_key
GROUP BY c.root_key
UNION ALL
SELECT 'deadlock', [host], list_sort(list(process_name || '[' || pid || '] ' || syscall || ' ' || resource_name)), min(started), max(victims), host || ' ' || chain_id
FROM open_calls WHERE verdict = 'deadlock' GROUP BY host, chain_id
ORDER BY victims DESC, root_key;

-- What is waited for at other hosts, by address: calls of all times.
CREATE OR REPLACE VIEW slowest_peers AS
SELECT endpoint(nullif(peer_address, ''), peer_port) AS peer, max(transport) AS transport, coalesce(max(p.host), max(a.host), '') AS host, coalesce(max(p.process_name), '') AS process_name, count(*) AS calls,
    count(*) FILTER (is_open) AS open, count(DISTINCT c.host) AS hosts, sum(duration) // 1000000000 AS waited_seconds, max(duration) // 1000000000 AS longest_seconds,
    count(*) FILTER (retransmits > 0) AS retransmitting, arg_max(reason, duration) AS reason
FROM all_calls AS c LEFT JOIN endpoints AS p ON p.endpoint = endpoint(nullif(peer_address, ''), peer_port) LEFT JOIN addresses AS a ON a.address = peer_address
WHERE verdict <> 'idle' AND leaves_host(nullif(peer_address, '')) GROUP BY peer ORDER BY waited_seconds DESC, peer;

-- A deploy is seen as the first process of a program on a host within the last day, where calls of that program were known before. What waits
-- an hour before and an hour after.
CREATE OR REPLACE VIEW changes_since_deploy AS
WITH program AS (
    SELECT *, coalesce(nullif(service_name, ''), nullif(executable, ''), process_name) AS program FROM all_calls WHERE verdict <> 'idle' AND process_started IS NOT NULL),
-- of each program the start of most of its processes
deploys AS (
    SELECT program, max(process_started) AS deployed FROM program GROUP BY program)
SELECT program, deployed, count(DISTINCT host) AS hosts,
    count(*) FILTER (started < deployed AND started >= deployed - INTERVAL 1 HOUR) AS calls_before, count(*) FILTER (started >= deployed AND started < deployed + INTERVAL 1 HOUR) AS calls_after,
    coalesce(sum(duration) FILTER (started < deployed AND started >= deployed - INTERVAL 1 HOUR), 0) // 1000000000 AS waited_before_seconds,
    coalesce(sum(duration) FILTER (started >= deployed AND started < deployed + INTERVAL 1 HOUR), 0) // 1000000000 AS waited_after_seconds,
    list_sort(list_distinct(list(reason) FILTER (started >= deployed))) AS reasons_after,
    list_sort(list_distinct(list(coalesce(nullif(root_address, ''), root_name)) FILTER (started >= deployed))) AS roots_after
FROM program JOIN deploys USING (program) GROUP BY program, deployed ORDER BY waited_after_seconds - waited_before_seconds DESC, program;

-- What may have been missed: by blockwatch (it says so), on the way (numbers that are missing), and lines that were no records.
CREATE OR REPLACE VIEW losses AS
SELECT host, 'said by blockwatch: ' || loss_what AS what, sum(loss_count)::BIGINT AS count, arg_max(loss_reason, ts) AS reason, max(ts) AS last_at
FROM records JOIN host_runs USING (host_name, host_id, run_id) WHERE action = 'loss' GROUP BY host, loss_what
UNION ALL
SELECT host, 'records that did not arrive', sum(missing)::BIGINT, 'numbers are missing', max(last_at) FROM host_runs WHERE missing > 0 GROUP BY host
UNION ALL
SELECT host, 'records that were cut', count(*), string_agg(DISTINCT part, ', ' ORDER BY part), max(ts)
FROM (SELECT host, ts, unnest(truncated) AS part FROM all_calls WHERE is_open) GROUP BY host
UNION ALL
SELECT host, 'calls whose end was probably lost', count(*), 'not said again when it was due', max(ts) FROM all_calls WHERE is_doubtful GROUP BY host
UNION ALL
SELECT '', 'lines that were rejected', count(*), reason, NULL FROM rejected GROUP BY reason
ORDER BY count DESC, host, what;
