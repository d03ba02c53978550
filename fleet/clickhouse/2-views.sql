-- Who holds up whom across the fleet: the views of fleet/duckdb/2-views.sql by the same names. docs/fleet.md tells what each says.

-- The moment that is asked about: the last that anybody has said, but not what a clock that is ahead makes of it.
CREATE OR REPLACE VIEW blockwatch.moment AS SELECT least(max(last_at), now64(6, 'UTC')) AS moment FROM blockwatch.runs;

-- A host is its name and its id: names repeat, and copied machines share an id. Records without an id are those of the only host of their
-- name. Of a host where blockwatch was started anew only the last start counts: what was open before, that one has said again.
CREATE OR REPLACE VIEW blockwatch.host_runs AS
WITH whole AS (
    SELECT host_name, host_id, run_id, min(first_at) AS first_at, max(last_at) AS last_at, max(heard_at) AS heard_at, max(is_stopped) AS is_stopped, max(version) AS version, max(kernel) AS kernel,
        toInt64(max(last_sequence) - min(first_sequence) + 1) - toInt64(groupBitmapMerge(numbers)) AS missing, groupUniqArrayArray(addresses) AS addresses
    FROM blockwatch.runs GROUP BY host_name, host_id, run_id),
named AS (SELECT host_name, uniqExact(host_id) AS ids, uniqExact(left(toString(host_id), 8)) AS prefixes, max(toString(host_id)) AS only_id FROM blockwatch.runs WHERE host_id <> '' GROUP BY host_name),
known AS (
    SELECT whole.*, if(whole.host_id = '' AND ids = 1, only_id, toString(whole.host_id)) AS machine, ids, prefixes FROM whole LEFT JOIN named USING (host_name))
SELECT *, toString(host_name) || multiIf(ids < 2, '', prefixes = ids, ' (' || left(machine, 8) || ')', ' (' || machine || ')') AS host,
    last_at >= max(first_at) OVER (PARTITION BY host_name, machine) AS is_current, max(last_at) OVER (PARTITION BY host_name, machine) AS host_at
FROM known;

-- What is blocked now. A thread is in one call: of two that are open the older one's end was lost, or two of blockwatch run at once.
-- A call that should have been said again and was not, while lines of its run are missing, has probably ended in one of those.
CREATE OR REPLACE VIEW blockwatch.open_calls AS
SELECT c.ts AS ts, h.host AS host, c.host_name AS host_name, c.host_id AS host_id, c.run_id AS run_id, c.sequence AS sequence, c.action AS action, c.event_id AS event_id, c.started AS started, h.host_at AS until, h.host_at AS host_at,
    c.duration + greatest(0, dateDiff('microsecond', c.ts, h.host_at)) * 1000 AS duration, c.pid AS pid, c.tid AS tid, c.process_name AS process_name, c.executable AS executable, c.command_line AS command_line,
    c.process_started AS process_started, c.user_name AS user_name, c.service_name AS service_name, c.pod_name AS pod_name, c.syscall AS syscall, c.resource_kind AS resource_kind, c.resource_name AS resource_name,
    c.transport AS transport, c.retransmits AS retransmits, c.peer_address AS peer_address, c.peer_port AS peer_port, c.verdict AS verdict, c.reason AS reason, c.chain AS chain, c.root_kind AS root_kind, c.root_pid AS root_pid,
    c.root_name AS root_name, c.root_doing AS root_doing, c.root_address AS root_address, c.root_connection AS root_connection, c.chain_id AS chain_id, c.victims AS victims, c.waits_on AS waits_on,
    c.held_sockets AS held_sockets, c.held_endpoints AS held_endpoints, c.truncated AS truncated,
    h.missing > 0 AND c.verdict IN ('deadlock', 'stuck', 'waiting')
        AND dateDiff('microsecond', c.ts, h.host_at) > 2 * least(intDiv(c.duration, 1000) + 20000000, 3600000000) + 60000000 AS is_doubtful,
    toUInt8(if(indexOf(['deadlock', 'stuck', 'waiting', 'busy', 'idle'], c.verdict) = 0, 9, indexOf(['deadlock', 'stuck', 'waiting', 'busy', 'idle'], c.verdict))) AS rank,
    h.host || '/' || toString(c.tid) || '/' || toString(c.run_id) || c.event_id AS call_key, toUInt8(1) AS is_open
FROM (SELECT * FROM blockwatch.open_state FINAL WHERE action IN ('blocked', 'still_blocked')) AS c
    JOIN (SELECT * FROM blockwatch.host_runs WHERE is_current) AS h ON h.host_name = c.host_name AND h.host_id = c.host_id AND h.run_id = c.run_id
ORDER BY c.ts DESC, c.sequence DESC, c.run_id LIMIT 1 BY host, tid;

-- Every call of the last week; `until` is when it ended or was known to last.
CREATE OR REPLACE VIEW blockwatch.all_calls AS
SELECT c.ts AS ts, h.host AS host, c.host_name AS host_name, c.host_id AS host_id, c.run_id AS run_id, c.sequence AS sequence, c.action AS action, c.event_id AS event_id, c.started AS started,
    if(c.action IN ('returned', 'ended', 'slow') OR NOT h.is_current, c.ts, h.host_at) AS until, h.host_at AS host_at,
    c.duration AS duration, c.pid AS pid, c.tid AS tid, c.process_name AS process_name, c.executable AS executable, c.command_line AS command_line,
    c.process_started AS process_started, c.user_name AS user_name, c.service_name AS service_name, c.pod_name AS pod_name, c.syscall AS syscall, c.resource_kind AS resource_kind, c.resource_name AS resource_name,
    c.transport AS transport, c.retransmits AS retransmits, c.peer_address AS peer_address, c.peer_port AS peer_port, c.verdict AS verdict, c.reason AS reason, c.chain AS chain, c.root_kind AS root_kind, c.root_pid AS root_pid,
    c.root_name AS root_name, c.root_doing AS root_doing, c.root_address AS root_address, c.root_connection AS root_connection, c.chain_id AS chain_id, c.victims AS victims, c.waits_on AS waits_on,
    c.held_sockets AS held_sockets, c.held_endpoints AS held_endpoints, c.truncated AS truncated,
    h.missing > 0 AND c.action IN ('blocked', 'still_blocked') AND c.verdict IN ('deadlock', 'stuck', 'waiting')
        AND dateDiff('microsecond', c.ts, h.host_at) > 2 * least(intDiv(c.duration, 1000) + 20000000, 3600000000) + 60000000 AS is_doubtful,
    toUInt8(if(indexOf(['deadlock', 'stuck', 'waiting', 'busy', 'idle'], c.verdict) = 0, 9, indexOf(['deadlock', 'stuck', 'waiting', 'busy', 'idle'], c.verdict))) AS rank,
    h.host || '/' || toString(c.tid) || '/' || toString(c.run_id) || c.event_id AS call_key, h.is_current AND c.action IN ('blocked', 'still_blocked') AS is_open
FROM blockwatch.calls AS c FINAL JOIN blockwatch.host_runs AS h ON h.host_name = c.host_name AND h.host_id = c.host_id AND h.run_id = c.run_id;

-- Which host has an address, where one alone has it: private addresses repeat behind translation.
CREATE OR REPLACE VIEW blockwatch.addresses AS
SELECT address, min(at_host) AS host FROM (
    SELECT DISTINCT host AS at_host, extract(arrayJoin(arrayConcat(arrayMap(w -> w.near, waits_on), arrayMap(e -> toString(e), held_endpoints))), '^\\[?(.*?)\\]?:[0-9]+$') AS address FROM blockwatch.all_calls
    UNION ALL SELECT DISTINCT host, arrayJoin(addresses) FROM blockwatch.host_runs)
WHERE bw_leaves_host(address) GROUP BY address HAVING uniqExact(at_host) = 1;

-- Who was last seen to serve an address and port.
CREATE OR REPLACE VIEW blockwatch.endpoints AS
SELECT endpoint, min(at_host) AS host, argMax(name, ts) AS process_name, argMax(at_pid, ts) AS pid, max(ts) AS seen
FROM (SELECT host AS at_host, process_name AS name, pid AS at_pid, ts, arrayJoin(arrayConcat(arrayMap(e -> toString(e), held_endpoints), arrayMap(w -> w.near, waits_on))) AS endpoint FROM blockwatch.all_calls)
GROUP BY endpoint HAVING uniqExact(at_host) = 1;

-- Hosts without a summary for three minutes: the monitor itself hangs, is gone, or its shipper is.
CREATE OR REPLACE VIEW blockwatch.quiet_hosts AS
SELECT h.host AS host, h.seen AS last_at, h.heard AS heard_at, dateDiff('second', h.seen, m.moment) AS quiet_seconds, toBool(h.stopped) AS is_stopped, h.known_version AS version
FROM (SELECT host, max(host_at) AS seen, max(heard_at) AS heard, max(is_stopped AND is_current) AS stopped, max(version) AS known_version FROM blockwatch.host_runs GROUP BY host) AS h CROSS JOIN blockwatch.moment AS m
WHERE dateDiff('second', if(h.heard < toDateTime64('1971-01-01', 6, 'UTC'), h.seen, h.heard), m.moment) > 180 OR h.stopped ORDER BY quiet_seconds DESC, host;

-- Where each open call's wait goes on at another host.
CREATE OR REPLACE VIEW blockwatch.open_links AS
WITH base AS (
    SELECT call_key, host, tid, verdict, rank, chain_id, started, until, root_kind, root_address, root_connection, waits_on, held_sockets, held_endpoints, is_open
    FROM blockwatch.open_calls WHERE NOT is_doubtful),
-- the connections at which chains leave their host: the one that the record names, else those to the root's address, else all it waits on
leaving AS (
    SELECT call_key, host, tid, chain_id, root_address, started, until, is_open, multiIf(root_connection <> '', [root_connection],
        arrayExists(w -> w.far = root_address, waits_on), arrayMap(w -> w.id, arrayFilter(w -> w.far = root_address, waits_on)), arrayMap(w -> w.id, waits_on)) AS ids
    FROM base WHERE root_kind = 'remote' AND verdict <> 'idle'),
holding AS (
    SELECT call_key, host, tid, rank, started, until, is_open, w.1 AS id, w.2 AS near, w.3 AS is_indirect
    FROM (SELECT call_key, host, tid, rank, started, until, is_open, arrayJoin(arrayConcat(arrayMap(w -> (w.id, w.near, 0), waits_on), arrayMap(h -> (h, '', 1), held_sockets))) AS w FROM base)),
-- by connection, to the worst off who has it, then who waits on it. Clocks may be 10 s apart. The same private addresses elsewhere are the same
-- connection's other end only if they are its other end.
exact AS (
    SELECT l.call_key AS call_key, min((h.rank, h.is_indirect, h.tid, h.call_key)) AS best
    FROM (SELECT call_key, host, root_address, started, until, is_open, arrayJoin(ids) AS id FROM leaving) AS l JOIN holding AS h ON h.id = l.id
    WHERE h.host <> l.host AND (l.is_open OR h.started <= l.until + INTERVAL 10 SECOND) AND (h.is_open OR h.until >= l.until - INTERVAL 10 SECOND) AND (h.near = '' OR h.near = l.root_address)
    GROUP BY l.call_key),
-- else who listens at that address and port, if its host alone has the address: it has not accepted the connection, or more than a record names.
-- That is a guess: another process of it may have the connection and not be blocked at all.
serving AS (
    SELECT endpoint, min((rank, tid, call_key)) AS best, min(at_host) AS host, min(b_started) AS started, max(b_until) AS until, max(b_open) AS is_open
    FROM (SELECT b.host AS at_host, b.is_open AS b_open, b.tid AS tid, b.rank AS rank, b.call_key AS call_key, b.started AS b_started, b.until AS b_until, b.any_address AS any_address,
            if(b.any_address, bw_endpoint(a.address, b.port), b.served) AS endpoint
        FROM (SELECT host, tid, rank, call_key, started, until, is_open, toString(arrayJoin(held_endpoints)) AS served, startsWith(served, '0.0.0.0:') OR startsWith(served, '[::]:') AS any_address,
                toUInt16OrZero(extract(served, ':([0-9]+)$')) AS port FROM base) AS b
        LEFT JOIN blockwatch.addresses AS a ON a.host = if(b.any_address, b.host, ''))
    WHERE endpoint <> '' GROUP BY endpoint HAVING uniqExact(at_host) = 1),
own AS (
    SELECT l.call_key AS call_key, l.host AS host, l.chain_id AS chain_id, l.ids AS ids, e.best.4 AS by_connection,
        if(s.endpoint <> '' AND s.host <> l.host AND (l.is_open OR s.started <= l.until + INTERVAL 10 SECOND) AND (s.is_open OR s.until >= l.until - INTERVAL 10 SECOND), s.best.3, '') AS by_endpoint,
        if(by_connection <> '', by_connection, by_endpoint) AS next, if(by_connection <> '', 'connection', 'endpoint') AS how
    FROM leaving AS l LEFT JOIN exact AS e ON e.call_key = l.call_key LEFT JOIN serving AS s ON s.endpoint = l.root_address),
-- who waits behind such a call, and does not say by which connection, goes with it
together AS (
    SELECT call_key, next, how, empty(ids) AND next = '' AND chain_id <> '' AS is_beside, minIf(next, next <> '') OVER (PARTITION BY host, chain_id) AS beside, minIf(how, next <> '') OVER (PARTITION BY host, chain_id) AS beside_how
    FROM own)
SELECT call_key, if(is_beside, beside, next) AS next, if(is_beside, beside_how, how) AS how FROM together WHERE if(is_beside, beside, next) <> '';

-- Where that leads in the end, within 8 hosts.
CREATE OR REPLACE VIEW blockwatch.open_ends AS
WITH RECURSIVE walk AS (
    SELECT call_key AS start, next AS at_key, [call_key] AS path, how = 'endpoint' AS is_guess, call_key = next AS is_circle FROM blockwatch.open_links
    UNION ALL
    SELECT w.start, o.next, arrayPushBack(w.path, w.at_key), w.is_guess OR o.how = 'endpoint', has(w.path, o.next) OR o.next = w.at_key
    FROM walk AS w JOIN blockwatch.open_links AS o ON o.call_key = w.at_key WHERE NOT w.is_circle AND length(w.path) < 8),
-- the last step of each; of a circle, and of whoever waits for one, one of its calls stands for it
ended AS (
    SELECT start, l.2 AS path, l.3 AS is_guess, l.4 AS is_circle, length(l.2) AS hops, if(l.4, arraySort(arraySlice(l.2, indexOf(l.2, l.1))), []) AS circle, if(l.4, circle[1], l.1) AS end_key,
        if(l.4, path, arrayPushBack(path, end_key)) AS steps
    FROM (SELECT start, argMax((at_key, path, is_guess, is_circle), length(path)) AS l FROM walk GROUP BY start)),
told AS (
    SELECT s.start AS start, arrayStringConcat(arrayMap(t -> t.2, arraySort(groupArray((s.place, t.text)))), ' <- ') AS path, any(s.e.1) AS end_key, any(s.e.2) AS hops, any(s.e.3) AS is_circle, any(s.e.4) AS is_guess, any(s.e.5) AS circle, any(s.e.6) AS steps
    FROM (SELECT start, step.1 AS place, step.2 AS call_key, e FROM (SELECT start, (end_key, hops, is_circle, is_guess, circle, steps) AS e, arrayJoin(arrayMap((k, i) -> (i, k), steps, arrayEnumerate(steps))) AS step FROM ended)) AS s
    JOIN (SELECT call_key, host || ': ' || if(chain <> '', chain, process_name || '[' || toString(pid) || '] ' || syscall || ' ' || resource_name) AS text FROM blockwatch.open_calls) AS t ON t.call_key = s.call_key GROUP BY s.start)
SELECT b.call_key AS call_key, if(e.end_key <> '', e.end_key, b.call_key) AS end_key, toUInt8(e.hops) AS hops, e.is_circle AS is_circle, e.is_guess AS is_guess, e.circle AS circle, if(e.end_key <> '', e.path, b.text) AS path, if(e.end_key <> '', e.steps, [b.call_key]) AS steps
FROM (SELECT call_key, host || ': ' || if(chain <> '', chain, process_name || '[' || toString(pid) || '] ' || syscall || ' ' || resource_name) AS text FROM blockwatch.open_calls WHERE verdict <> 'idle' AND NOT is_doubtful) AS b LEFT JOIN told AS e ON e.start = b.call_key;

-- The same of all calls, at the end of each.
CREATE OR REPLACE VIEW blockwatch.all_links AS
WITH base AS (
    SELECT call_key, host, tid, verdict, rank, chain_id, started, until, root_kind, root_address, root_connection, waits_on, held_sockets, held_endpoints, is_open
    FROM blockwatch.all_calls WHERE NOT is_doubtful),
-- the connections at which chains leave their host: the one that the record names, else those to the root's address, else all it waits on
leaving AS (
    SELECT call_key, host, tid, chain_id, root_address, started, until, is_open, multiIf(root_connection <> '', [root_connection],
        arrayExists(w -> w.far = root_address, waits_on), arrayMap(w -> w.id, arrayFilter(w -> w.far = root_address, waits_on)), arrayMap(w -> w.id, waits_on)) AS ids
    FROM base WHERE root_kind = 'remote' AND verdict <> 'idle'),
holding AS (
    SELECT call_key, host, tid, rank, started, until, is_open, w.1 AS id, w.2 AS near, w.3 AS is_indirect
    FROM (SELECT call_key, host, tid, rank, started, until, is_open, arrayJoin(arrayConcat(arrayMap(w -> (w.id, w.near, 0), waits_on), arrayMap(h -> (h, '', 1), held_sockets))) AS w FROM base)),
-- by connection, to the worst off who has it, then who waits on it. Clocks may be 10 s apart. The same private addresses elsewhere are the same
-- connection's other end only if they are its other end.
exact AS (
    SELECT l.call_key AS call_key, min((h.rank, h.is_indirect, h.tid, h.call_key)) AS best
    FROM (SELECT call_key, host, root_address, started, until, is_open, arrayJoin(ids) AS id FROM leaving) AS l JOIN holding AS h ON h.id = l.id
    WHERE h.host <> l.host AND (l.is_open OR h.started <= l.until + INTERVAL 10 SECOND) AND (h.is_open OR h.until >= l.until - INTERVAL 10 SECOND) AND (h.near = '' OR h.near = l.root_address)
    GROUP BY l.call_key),
-- else who listens at that address and port, if its host alone has the address: it has not accepted the connection, or more than a record names.
-- That is a guess: another process of it may have the connection and not be blocked at all.
serving AS (
    SELECT endpoint, min((rank, tid, call_key)) AS best, min(at_host) AS host, min(b_started) AS started, max(b_until) AS until, max(b_open) AS is_open
    FROM (SELECT b.host AS at_host, b.is_open AS b_open, b.tid AS tid, b.rank AS rank, b.call_key AS call_key, b.started AS b_started, b.until AS b_until, b.any_address AS any_address,
            if(b.any_address, bw_endpoint(a.address, b.port), b.served) AS endpoint
        FROM (SELECT host, tid, rank, call_key, started, until, is_open, toString(arrayJoin(held_endpoints)) AS served, startsWith(served, '0.0.0.0:') OR startsWith(served, '[::]:') AS any_address,
                toUInt16OrZero(extract(served, ':([0-9]+)$')) AS port FROM base) AS b
        LEFT JOIN blockwatch.addresses AS a ON a.host = if(b.any_address, b.host, ''))
    WHERE endpoint <> '' GROUP BY endpoint HAVING uniqExact(at_host) = 1),
own AS (
    SELECT l.call_key AS call_key, l.host AS host, l.chain_id AS chain_id, l.ids AS ids, e.best.4 AS by_connection,
        if(s.endpoint <> '' AND s.host <> l.host AND (l.is_open OR s.started <= l.until + INTERVAL 10 SECOND) AND (s.is_open OR s.until >= l.until - INTERVAL 10 SECOND), s.best.3, '') AS by_endpoint,
        if(by_connection <> '', by_connection, by_endpoint) AS next, if(by_connection <> '', 'connection', 'endpoint') AS how
    FROM leaving AS l LEFT JOIN exact AS e ON e.call_key = l.call_key LEFT JOIN serving AS s ON s.endpoint = l.root_address),
-- who waits behind such a call, and does not say by which connection, goes with it
together AS (
    SELECT call_key, next, how, empty(ids) AND next = '' AND chain_id <> '' AS is_beside, minIf(next, next <> '') OVER (PARTITION BY host, chain_id) AS beside, minIf(how, next <> '') OVER (PARTITION BY host, chain_id) AS beside_how
    FROM own)
SELECT call_key, if(is_beside, beside, next) AS next, if(is_beside, beside_how, how) AS how FROM together WHERE if(is_beside, beside, next) <> '';

-- Where that leads in the end, within 8 hosts.
CREATE OR REPLACE VIEW blockwatch.all_ends AS
WITH RECURSIVE walk AS (
    SELECT call_key AS start, next AS at_key, [call_key] AS path, how = 'endpoint' AS is_guess, call_key = next AS is_circle FROM blockwatch.all_links
    UNION ALL
    SELECT w.start, o.next, arrayPushBack(w.path, w.at_key), w.is_guess OR o.how = 'endpoint', has(w.path, o.next) OR o.next = w.at_key
    FROM walk AS w JOIN blockwatch.all_links AS o ON o.call_key = w.at_key WHERE NOT w.is_circle AND length(w.path) < 8),
-- the last step of each; of a circle, and of whoever waits for one, one of its calls stands for it
ended AS (
    SELECT start, l.2 AS path, l.3 AS is_guess, l.4 AS is_circle, length(l.2) AS hops, if(l.4, arraySort(arraySlice(l.2, indexOf(l.2, l.1))), []) AS circle, if(l.4, circle[1], l.1) AS end_key,
        if(l.4, path, arrayPushBack(path, end_key)) AS steps
    FROM (SELECT start, argMax((at_key, path, is_guess, is_circle), length(path)) AS l FROM walk GROUP BY start)),
told AS (
    SELECT s.start AS start, arrayStringConcat(arrayMap(t -> t.2, arraySort(groupArray((s.place, t.text)))), ' <- ') AS path, any(s.e.1) AS end_key, any(s.e.2) AS hops, any(s.e.3) AS is_circle, any(s.e.4) AS is_guess, any(s.e.5) AS circle, any(s.e.6) AS steps
    FROM (SELECT start, step.1 AS place, step.2 AS call_key, e FROM (SELECT start, (end_key, hops, is_circle, is_guess, circle, steps) AS e, arrayJoin(arrayMap((k, i) -> (i, k), steps, arrayEnumerate(steps))) AS step FROM ended)) AS s
    JOIN (SELECT call_key, host || ': ' || if(chain <> '', chain, process_name || '[' || toString(pid) || '] ' || syscall || ' ' || resource_name) AS text FROM blockwatch.all_calls) AS t ON t.call_key = s.call_key GROUP BY s.start)
SELECT b.call_key AS call_key, if(e.end_key <> '', e.end_key, b.call_key) AS end_key, toUInt8(e.hops) AS hops, e.is_circle AS is_circle, e.is_guess AS is_guess, e.circle AS circle, if(e.end_key <> '', e.path, b.text) AS path, if(e.end_key <> '', e.steps, [b.call_key]) AS steps
FROM (SELECT call_key, host || ': ' || if(chain <> '', chain, process_name || '[' || toString(pid) || '] ' || syscall || ' ' || resource_name) AS text FROM blockwatch.all_calls WHERE verdict <> 'idle' AND NOT is_doubtful) AS b LEFT JOIN told AS e ON e.start = b.call_key;

-- Each call with the root of its chain, on whatever host.
CREATE OR REPLACE VIEW blockwatch.chains AS
WITH rooted AS (
    SELECT c.host AS host, c.pid AS pid, c.tid AS tid, c.process_name AS process_name, c.service_name AS service_name, c.syscall AS syscall, c.resource_name AS resource_name, c.verdict AS verdict, c.reason AS reason,
        c.started AS started, c.until AS until, c.duration AS duration, c.action AS action, c.chain_id AS chain_id, x.hops AS hops, x.is_circle AS is_circle, x.is_guess AS is_guess, x.circle AS circle, x.path AS path, x.steps AS steps, x.call_key AS call_key, x.end_key AS end_key,
        multiIf(x.is_circle, 'circle', e.root_kind IN ('', 'unknown') OR (e.verdict = 'idle' AND x.hops > 0), 'process', toString(e.root_kind)) AS root_kind,
        e.host AS end_host, e.chain_id AS end_chain, e.pid AS end_pid, e.process_name AS end_name, e.root_pid AS end_root_pid, e.root_name AS end_root_name, e.root_doing AS end_doing, e.root_address AS end_address,
        root_kind = 'circle' OR (root_kind = 'process' AND (e.root_pid = 0 OR e.verdict = 'idle')) AS is_itself, trim(e.syscall || ' ' || e.resource_name) || ', ' || e.verdict || ' ' || e.reason AS itself,
        root_kind IN ('remote', 'network') AS is_elsewhere
    FROM blockwatch.open_ends AS x JOIN blockwatch.open_calls AS c ON c.call_key = x.call_key JOIN blockwatch.open_calls AS e ON e.call_key = x.end_key)
SELECT r.host AS host, r.pid AS pid, r.tid AS tid, r.process_name AS process_name, r.service_name AS service_name, r.syscall AS syscall, r.resource_name AS resource_name, r.verdict AS verdict, r.reason AS reason,
    r.started AS started, r.until AS until, r.duration AS duration, r.action AS action, r.chain_id AS chain_id, r.hops AS hops, r.is_circle AS is_circle, r.is_guess AS is_guess, r.circle AS circle, r.path AS path, r.steps AS steps, r.call_key AS call_key, r.end_key AS end_key,
    r.root_kind AS root_kind, multiIf(NOT r.is_elsewhere, r.end_host, p.host <> '' AND p.host <> r.end_host, p.host, a.host <> r.end_host, a.host, '') AS root_host,
    multiIf(r.is_itself, r.end_pid, r.is_elsewhere, if(p.host <> r.end_host, p.pid, 0), r.end_root_pid) AS root_pid, multiIf(r.is_itself, r.end_name, r.is_elsewhere, if(p.host <> r.end_host, p.process_name, ''), r.end_root_name) AS root_name,
    multiIf(r.root_kind = 'circle', 'waits in a circle of ' || toString(length(r.circle)), r.is_itself, r.itself, r.end_doing) AS root_doing, if(r.is_elsewhere, r.end_address, '') AS root_address,
    multiIf(r.root_kind = 'remote', 'address ' || root_address, r.root_kind = 'network', 'network ' || root_address, r.root_kind = 'device', root_host || ' device ' || root_name,
        r.root_kind IN ('process', 'thread'), root_host || ' process ' || toString(root_pid), r.root_kind = 'circle', 'circle ' || r.end_key, root_host || ' ' || r.root_kind || ' ' || r.end_chain) AS root_key
FROM rooted AS r LEFT JOIN blockwatch.endpoints AS p ON p.endpoint = if(r.is_elsewhere, r.end_address, '-')
    LEFT JOIN blockwatch.addresses AS a ON a.address = if(r.is_elsewhere, extract(r.end_address, '^\\[?(.*?)\\]?(?::[0-9]+)?$'), '-');

CREATE OR REPLACE VIEW blockwatch.all_chains AS
WITH rooted AS (
    SELECT c.host AS host, c.pid AS pid, c.tid AS tid, c.process_name AS process_name, c.service_name AS service_name, c.syscall AS syscall, c.resource_name AS resource_name, c.verdict AS verdict, c.reason AS reason,
        c.started AS started, c.until AS until, c.duration AS duration, c.action AS action, c.chain_id AS chain_id, x.hops AS hops, x.is_circle AS is_circle, x.is_guess AS is_guess, x.circle AS circle, x.path AS path, x.steps AS steps, x.call_key AS call_key, x.end_key AS end_key,
        multiIf(x.is_circle, 'circle', e.root_kind IN ('', 'unknown') OR (e.verdict = 'idle' AND x.hops > 0), 'process', toString(e.root_kind)) AS root_kind,
        e.host AS end_host, e.chain_id AS end_chain, e.pid AS end_pid, e.process_name AS end_name, e.root_pid AS end_root_pid, e.root_name AS end_root_name, e.root_doing AS end_doing, e.root_address AS end_address,
        root_kind = 'circle' OR (root_kind = 'process' AND (e.root_pid = 0 OR e.verdict = 'idle')) AS is_itself, trim(e.syscall || ' ' || e.resource_name) || ', ' || e.verdict || ' ' || e.reason AS itself,
        root_kind IN ('remote', 'network') AS is_elsewhere
    FROM blockwatch.all_ends AS x JOIN blockwatch.all_calls AS c ON c.call_key = x.call_key JOIN blockwatch.all_calls AS e ON e.call_key = x.end_key)
SELECT r.host AS host, r.pid AS pid, r.tid AS tid, r.process_name AS process_name, r.service_name AS service_name, r.syscall AS syscall, r.resource_name AS resource_name, r.verdict AS verdict, r.reason AS reason,
    r.started AS started, r.until AS until, r.duration AS duration, r.action AS action, r.chain_id AS chain_id, r.hops AS hops, r.is_circle AS is_circle, r.is_guess AS is_guess, r.circle AS circle, r.path AS path, r.steps AS steps, r.call_key AS call_key, r.end_key AS end_key,
    r.root_kind AS root_kind, multiIf(NOT r.is_elsewhere, r.end_host, p.host <> '' AND p.host <> r.end_host, p.host, a.host <> r.end_host, a.host, '') AS root_host,
    multiIf(r.is_itself, r.end_pid, r.is_elsewhere, if(p.host <> r.end_host, p.pid, 0), r.end_root_pid) AS root_pid, multiIf(r.is_itself, r.end_name, r.is_elsewhere, if(p.host <> r.end_host, p.process_name, ''), r.end_root_name) AS root_name,
    multiIf(r.root_kind = 'circle', 'waits in a circle of ' || toString(length(r.circle)), r.is_itself, r.itself, r.end_doing) AS root_doing, if(r.is_elsewhere, r.end_address, '') AS root_address,
    multiIf(r.root_kind = 'remote', 'address ' || root_address, r.root_kind = 'network', 'network ' || root_address, r.root_kind = 'device', root_host || ' device ' || root_name,
        r.root_kind IN ('process', 'thread'), root_host || ' process ' || toString(root_pid), r.root_kind = 'circle', 'circle ' || r.end_key, root_host || ' ' || r.root_kind || ' ' || r.end_chain) AS root_key
FROM rooted AS r LEFT JOIN blockwatch.endpoints AS p ON p.endpoint = if(r.is_elsewhere, r.end_address, '-')
    LEFT JOIN blockwatch.addresses AS a ON a.address = if(r.is_elsewhere, extract(r.end_address, '^\\[?(.*?)\\]?(?::[0-9]+)?$'), '-');

-- The worst first. `is_quiet`: that host says nothing any more itself.
CREATE OR REPLACE VIEW blockwatch.root_blockers AS
SELECT root_host AS host, max(root_kind) AS kind, root_pid AS pid, max(root_name) AS name, max(root_address) AS address, argMax(root_doing, started) AS doing, count() AS victims, uniqExact(c.host) AS hosts,
    arraySort(groupUniqArray(toString(if(service_name <> '', service_name, process_name)))) AS services, min(started) AS since, intDiv(sum(duration), 1000000000) AS waited_seconds,
    intDiv(max(duration), 1000000000) AS longest_seconds, toBool(max(is_guess)) AS is_guess, toBool(max(q.host <> '')) AS is_quiet, argMax(path, (hops, duration)) AS example, root_key
FROM blockwatch.chains AS c LEFT JOIN blockwatch.quiet_hosts AS q ON q.host = c.root_host
GROUP BY root_key, root_host, root_pid ORDER BY victims DESC, hosts DESC, waited_seconds DESC, root_key;

-- Calls that share a root, over time: half an hour without one of them ends an incident.
CREATE OR REPLACE VIEW blockwatch.incidents AS
WITH marked AS (
    SELECT *, started > max(until) OVER (PARTITION BY root_key ORDER BY started, call_key ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) + INTERVAL 30 MINUTE AS is_first FROM blockwatch.all_chains),
numbered AS (SELECT *, sum(toUInt32(is_first)) OVER (PARTITION BY root_key ORDER BY started, call_key ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS part FROM marked)
SELECT root_host AS host, max(root_kind) AS kind, root_pid AS pid, max(root_name) AS name, max(root_address) AS address, argMax(root_doing, started) AS doing, min(started) AS since, max(n.until) AS until,
    toBool(max(action IN ('blocked', 'still_blocked'))) AS is_open, count() AS calls, uniqExact(n.host) AS hosts, arraySort(groupUniqArray(toString(if(service_name <> '', service_name, process_name)))) AS services,
    intDiv(sum(duration), 1000000000) AS waited_seconds, intDiv(max(duration), 1000000000) AS longest_seconds, argMax(path, (hops, duration)) AS example, root_key
FROM numbered AS n GROUP BY root_key, root_host, root_pid, part ORDER BY waited_seconds DESC, root_key;

-- Circles over several hosts, and deadlocks within one. Nothing in the stream proves that nobody in a circle of hosts has a way out.
CREATE OR REPLACE VIEW blockwatch.mutual_waits AS
SELECT * FROM (
    SELECT 'circle' AS kind, arraySort(groupUniqArray(m.host)) AS hosts, arraySort(groupUniqArray(m.host || ': ' || m.process_name || '[' || toString(m.pid) || '] ' || m.syscall || ' ' || m.resource_name)) AS members,
        min(m.started) AS since, uniqExact(c.behind) AS victims, c.root_key AS root_key
    FROM (SELECT root_key, call_key AS behind, arrayJoin(circle) AS call_key FROM blockwatch.chains WHERE is_circle) AS c JOIN blockwatch.open_calls AS m ON m.call_key = c.call_key GROUP BY c.root_key
    UNION ALL
    SELECT 'deadlock', [host], arraySort(groupArray(process_name || '[' || toString(pid) || '] ' || syscall || ' ' || resource_name)), min(started), max(victims), host || ' ' || chain_id
    FROM blockwatch.open_calls WHERE verdict = 'deadlock' GROUP BY host, chain_id)
ORDER BY victims DESC, root_key;

-- What is waited for at other hosts, by address: calls of the last week.
CREATE OR REPLACE VIEW blockwatch.slowest_peers AS
SELECT c.peer AS peer, c.transport AS transport, if(p.host <> '', p.host, a.host) AS host, p.process_name AS process_name, c.calls AS calls, c.open AS open, c.hosts AS hosts, c.waited_seconds AS waited_seconds,
    c.longest_seconds AS longest_seconds, c.retransmitting AS retransmitting, c.reason AS reason
FROM (SELECT bw_endpoint(peer_address, peer_port) AS peer, any(peer_address) AS address, max(transport) AS transport, count() AS calls, countIf(is_open) AS open, uniqExact(host) AS hosts, intDiv(sum(duration), 1000000000) AS waited_seconds,
        intDiv(max(duration), 1000000000) AS longest_seconds, countIf(retransmits > 0) AS retransmitting, argMax(reason, duration) AS reason
    FROM blockwatch.all_calls WHERE verdict <> 'idle' AND bw_leaves_host(peer_address) GROUP BY peer) AS c
LEFT JOIN blockwatch.endpoints AS p ON p.endpoint = c.peer LEFT JOIN blockwatch.addresses AS a ON a.address = c.address
ORDER BY waited_seconds DESC, peer;

-- A deploy is seen as the last start of a program's processes. What waits an hour before and an hour after.
CREATE OR REPLACE VIEW blockwatch.changes_since_deploy AS
WITH program AS (
    SELECT *, toString(multiIf(service_name <> '', service_name, executable <> '', executable, process_name)) AS program FROM blockwatch.all_calls WHERE verdict <> 'idle' AND process_started > toDateTime64('1971-01-01', 6, 'UTC')),
deploys AS (SELECT program, max(process_started) AS deployed FROM program GROUP BY program)
SELECT p.program AS program, d.deployed AS deployed, uniqExact(host) AS hosts, countIf(started < deployed AND started >= deployed - INTERVAL 1 HOUR) AS calls_before, countIf(started >= deployed AND started < deployed + INTERVAL 1 HOUR) AS calls_after,
    intDiv(sumIf(duration, started < deployed AND started >= deployed - INTERVAL 1 HOUR), 1000000000) AS waited_before_seconds, intDiv(sumIf(duration, started >= deployed AND started < deployed + INTERVAL 1 HOUR), 1000000000) AS waited_after_seconds,
    arraySort(groupUniqArrayIf(toString(reason), started >= deployed)) AS reasons_after, arraySort(groupUniqArrayIf(if(root_address <> '', root_address, toString(root_name)), started >= deployed)) AS roots_after
FROM program AS p JOIN deploys AS d ON d.program = p.program GROUP BY program, deployed ORDER BY toInt64(waited_after_seconds) - toInt64(waited_before_seconds) DESC, program;

-- What may have been missed: by blockwatch (it says so), on the way (numbers that are missing), and lines that were no records.
CREATE OR REPLACE VIEW blockwatch.losses AS
SELECT * FROM (
    SELECT h.host AS host, 'said by blockwatch: ' || loss_what AS what, toInt64(sum(loss_count)) AS count, argMax(loss_reason, ts) AS reason, max(ts) AS last_at
    FROM (SELECT * FROM blockwatch.records FINAL WHERE action = 'loss') AS r JOIN blockwatch.host_runs AS h ON h.host_name = r.host_name AND h.host_id = r.host_id AND h.run_id = r.run_id GROUP BY host, loss_what
    UNION ALL
    SELECT host, 'records that did not arrive', sum(missing), 'numbers are missing', max(last_at) FROM blockwatch.host_runs WHERE missing > 0 GROUP BY host
    UNION ALL
    SELECT host, 'records that were cut', toInt64(count()), arrayStringConcat(arraySort(groupUniqArray(toString(part))), ', '), max(ts) FROM (SELECT host, ts, arrayJoin(truncated) AS part FROM blockwatch.open_calls) GROUP BY host
    UNION ALL
    SELECT host, 'calls whose end was probably lost', toInt64(count()), 'not said again when it was due', max(ts) FROM blockwatch.open_calls WHERE is_doubtful GROUP BY host
    UNION ALL
    SELECT '', 'lines that were rejected', toInt64(count()), reason, NULL FROM blockwatch.rejected GROUP BY reason)
ORDER BY count DESC, host, what;
