-- Recordings of blockwatch, as they are, into tables. Before it: SET VARIABLE recordings = ['*.ndjson', 'old/*.ndjson.gz'];
-- Times are UTC. Run again in a new database for new files; docs/fleet.md tells the rest. DuckDB 1.4 or newer.

-- Every line, whatever it is. The separators are bytes that no JSON text has, so that a line is one column.
CREATE OR REPLACE TABLE lines AS
SELECT line FROM read_csv(getvariable('recordings'), columns = {'line': 'VARCHAR'}, header = false, delim = chr(1), quote = '', escape = '',
    comment = '', auto_detect = false, new_line = '\n', max_line_size = 1048576, null_padding = true, strict_mode = false, ignore_errors = true,
    store_rejects = true, rejects_table = 'unreadable', rejects_scan = 'unreadable_files')
WHERE line IS NOT NULL AND line <> '';

-- One pass over each line: what a later version has added is passed over, what is missing is NULL.
CREATE OR REPLACE MACRO read_record(line) AS json_transform(line, '{
    "@timestamp": "VARCHAR", "message": "VARCHAR", "verdict": "VARCHAR", "reason": "VARCHAR", "evidence": ["VARCHAR"], "chain": "VARCHAR", "chain_id": "VARCHAR",
    "event": {"dataset": "VARCHAR", "action": "VARCHAR", "id": "VARCHAR", "sequence": "UBIGINT", "start": "VARCHAR", "duration": "UBIGINT"},
    "host": {"name": "VARCHAR", "id": "VARCHAR", "boot": {"id": "VARCHAR"}, "ip": ["VARCHAR"]},
    "process": {"pid": "UBIGINT", "name": "VARCHAR", "executable": "VARCHAR", "command_line": "VARCHAR", "entity_id": "VARCHAR", "start": "VARCHAR",
        "thread": {"id": "UBIGINT", "name": "VARCHAR"}, "user": {"name": "VARCHAR"}},
    "container": {"id": "VARCHAR", "name": "VARCHAR"}, "k8s": {"pod": {"name": "VARCHAR"}, "namespace": {"name": "VARCHAR"}},
    "service": {"name": "VARCHAR"}, "syscall": {"name": "VARCHAR"}, "resource": {"kind": "VARCHAR", "name": "VARCHAR", "fd": "BIGINT"},
    "network": {"transport": "VARCHAR", "community_id": "VARCHAR", "state": "VARCHAR", "retransmits": "UBIGINT",
        "local": {"address": "VARCHAR", "port": "UINTEGER"}, "peer": {"address": "VARCHAR", "port": "UINTEGER"}},
    "holder": {"pid": "UBIGINT", "tid": "UBIGINT", "name": "VARCHAR", "relation": "VARCHAR"},
    "members": [{"pid": "UBIGINT", "tid": "UBIGINT", "name": "VARCHAR", "syscall": "VARCHAR", "wants": "VARCHAR", "community_id": "VARCHAR",
        "local": {"address": "VARCHAR", "port": "UINTEGER"}, "peer": {"address": "VARCHAR", "port": "UINTEGER"}}],
    "root": {"kind": "VARCHAR", "pid": "UBIGINT", "name": "VARCHAR", "doing": "VARCHAR", "address": "VARCHAR", "community_id": "VARCHAR"},
    "victims": "UBIGINT", "held_sockets": ["VARCHAR"], "held_endpoints": ["VARCHAR"], "stack": ["VARCHAR"], "unresolved": ["VARCHAR"], "truncated": ["VARCHAR"],
    "loss": {"what": "VARCHAR", "count": "UBIGINT", "reason": "VARCHAR"},
    "blockwatch": {"version": "VARCHAR", "run": {"id": "VARCHAR"}, "open": "UBIGINT", "open_written": "UBIGINT", "threshold": "UBIGINT"},
    "os": {"kernel": "VARCHAR"}}');

-- As root.address writes it.
CREATE OR REPLACE MACRO endpoint(address, port) AS
    CASE WHEN address IS NULL THEN '' WHEN contains(address, ':') THEN '[' || address || ']:' || coalesce(port, 0) ELSE address || ':' || coalesce(port, 0) END;

-- What never leaves its host: the same connection exists on many, and joins nothing.
CREATE OR REPLACE MACRO leaves_host(address) AS
    address IS NOT NULL AND NOT starts_with(address, '127.') AND address NOT IN ('::1', '0.0.0.0', '::') AND NOT starts_with(address, 'fe80:');

CREATE OR REPLACE MACRO known_action(action) AS action IN
    ('blocked', 'still_blocked', 'returned', 'ended', 'slow', 'deadlock', 'summary', 'loss', 'started', 'stopped', 'engine');
CREATE OR REPLACE MACRO known_verdict(verdict) AS verdict IS NULL OR verdict IN ('deadlock', 'stuck', 'waiting', 'busy', 'idle');

CREATE OR REPLACE TEMP TABLE parsed AS
SELECT line, r, CASE
        WHEN r IS NULL THEN 'not a JSON object'
        WHEN r.event.dataset IS DISTINCT FROM 'blockwatch.calls' THEN 'not a record of blockwatch'
        WHEN r.event.action IS NULL OR try_cast(r."@timestamp" AS TIMESTAMP) IS NULL OR r.host.name IS NULL OR r.event.sequence IS NULL THEN 'a field is missing'
        WHEN NOT known_action(r.event.action) THEN 'of a newer version: event.action ' || r.event.action
        WHEN NOT known_verdict(r.verdict) THEN 'of a newer version: verdict ' || r.verdict
        WHEN r.event.action IN ('blocked', 'still_blocked', 'returned', 'ended', 'slow') AND (r.event.id IS NULL OR r.process.pid IS NULL OR r.process.thread.id IS NULL)
            THEN 'a field is missing'
        ELSE '' END AS trouble
FROM (SELECT line, CASE WHEN json_valid(line) THEN read_record(line) END AS r FROM lines);

CREATE OR REPLACE TABLE rejected AS SELECT trouble AS reason, line FROM parsed WHERE trouble <> ''
UNION ALL SELECT 'not text: ' || error_type::VARCHAR, coalesce(csv_line, '') FROM unreadable;

-- Records that came twice (a shipper that tries again) are one.
CREATE OR REPLACE TABLE records AS
SELECT DISTINCT ON (host_name, host_id, run_id, sequence, action, ts) * FROM (
SELECT (r."@timestamp")::TIMESTAMP AS ts, r.host.name AS host_name, coalesce(r.host.id, '') AS host_id, coalesce(r.host.boot.id, '') AS boot_id,
    coalesce(r.blockwatch.run.id, '') AS run_id, r.event.sequence AS sequence, r.event.action AS action, coalesce(r.event.id, '') AS event_id,
    coalesce(try_cast(r.event.start AS TIMESTAMP), (r."@timestamp")::TIMESTAMP) AS started, coalesce(r.event.duration, 0) AS duration, coalesce(r.message, '') AS message,
    coalesce(r.process.pid, 0) AS pid, coalesce(r.process.thread.id, 0) AS tid, coalesce(r.process.name, '') AS process_name,
    coalesce(r.process.thread.name, '') AS thread_name, coalesce(r.process.executable, '') AS executable, coalesce(r.process.command_line, '') AS command_line,
    coalesce(r.process.entity_id, '') AS entity_id, try_cast(r.process.start AS TIMESTAMP) AS process_started, coalesce(r.process.user.name, '') AS user_name,
    coalesce(r.service.name, '') AS service_name, coalesce(r.container.id, '') AS container_id, coalesce(r.container.name, '') AS container_name,
    coalesce(r.k8s.pod.name, '') AS pod_name, coalesce(r.k8s.namespace.name, '') AS pod_namespace,
    coalesce(r.syscall.name, '') AS syscall, coalesce(r.resource.kind, '') AS resource_kind, coalesce(r.resource.name, '') AS resource_name,
    coalesce(r.network.transport, '') AS transport, coalesce(r.network.state, '') AS state, coalesce(r.network.retransmits, 0) AS retransmits,
    coalesce(r.network.peer.address, '') AS peer_address, coalesce(r.network.peer.port, 0) AS peer_port,
    coalesce(r.verdict, '') AS verdict, coalesce(r.reason, '') AS reason, coalesce(r.evidence, []) AS evidence,
    coalesce(r.holder.pid, 0) AS holder_pid, coalesce(r.holder.tid, 0) AS holder_tid, coalesce(r.holder.name, '') AS holder_name,
    coalesce(r.chain, '') AS chain, coalesce(r.root.kind, '') AS root_kind, coalesce(r.root.pid, 0) AS root_pid, coalesce(r.root.name, '') AS root_name,
    coalesce(r.root.doing, '') AS root_doing, coalesce(r.root.address, '') AS root_address, coalesce(r.root.community_id, '') AS root_connection,
    coalesce(r.chain_id, '') AS chain_id, coalesce(r.victims, 0) AS victims,
    -- the connections that it waits on, with both their ends
    list_filter(list_concat(
        CASE WHEN r.network.community_id IS NULL OR NOT leaves_host(r.network.peer.address) THEN [] ELSE [{'id': r.network.community_id,
            'near': endpoint(r.network.local.address, r.network.local.port), 'far': endpoint(r.network.peer.address, r.network.peer.port)}] END,
        list_transform(list_filter(coalesce(r.members, []), lambda m: m.community_id IS NOT NULL AND leaves_host(m.peer.address)), lambda m: {'id': m.community_id,
            'near': endpoint(m.local.address, m.local.port), 'far': endpoint(m.peer.address, m.peer.port)})), lambda w: w.id <> '') AS waits_on,
    coalesce(r.held_sockets, []) AS held_sockets, coalesce(r.held_endpoints, []) AS held_endpoints,
    list_transform(coalesce(r.members, []), lambda m: coalesce(m.tid, 0)) AS member_tids,
    coalesce(r.stack, []) AS stack, coalesce(r.unresolved, []) AS unresolved, coalesce(r.truncated, []) AS truncated,
    coalesce(r.loss.what, '') AS loss_what, coalesce(r.loss.count, 0) AS loss_count, coalesce(r.loss.reason, '') AS loss_reason,
    coalesce(r.blockwatch.version, '') AS version, coalesce(r.os.kernel, '') AS kernel, coalesce(r.blockwatch.open_written, 0) AS open_written,
    coalesce(r.host.ip, []) AS addresses
FROM parsed WHERE trouble = '')
ORDER BY host_name, host_id, run_id, ts;
DROP TABLE parsed;

-- One row a start of blockwatch.
CREATE OR REPLACE TABLE runs AS
SELECT host_name, host_id, run_id, min(ts) AS first_at, max(ts) AS last_at, max(ts) FILTER (action IN ('summary', 'started')) AS heard_at,
    bool_or(action = 'stopped') AS is_stopped, max(version) AS version, max(kernel) AS kernel, count(*) AS records,
    max(sequence) - min(sequence) + 1 - count(DISTINCT sequence) AS missing, coalesce(arg_max(addresses, ts) FILTER (addresses <> []), []) AS addresses
FROM records GROUP BY ALL;

-- What was said last of each call.
CREATE OR REPLACE TABLE calls AS
SELECT * FROM records WHERE action IN ('blocked', 'still_blocked', 'returned', 'ended', 'slow')
QUALIFY row_number() OVER (PARTITION BY host_name, host_id, run_id, event_id ORDER BY action IN ('returned', 'ended', 'slow') DESC, sequence DESC) = 1;
