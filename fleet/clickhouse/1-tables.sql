-- blockwatch's stream in ClickHouse: lines as they are go into `lines`, whatever they are; everything else follows by itself.
--     clickhouse-client --multiquery < fleet/clickhouse/1-tables.sql
--     cat *.ndjson | clickhouse-client --query 'INSERT INTO blockwatch.lines FORMAT LineAsString'
-- docs/fleet.md has the figures behind types, codecs, keys and TTLs.
CREATE DATABASE IF NOT EXISTS blockwatch;

-- The door. Keeps nothing: a line that is no record goes to `rejected` and stops none of the others.
CREATE TABLE IF NOT EXISTS blockwatch.lines (line String) ENGINE = Null;

-- The same by FORMAT JSONEachRow, for shippers that send objects: put together as a line again. Keys that are not known here are passed over
-- (input_format_skip_unknown_fields is the server's default).
CREATE TABLE IF NOT EXISTS blockwatch.objects (
    `@timestamp` String, message String, event String, log String, host String, process String, container String, k8s String, service String, cgroup String,
    syscall String, stop String, resource String, file String, pipe String, network String, lock String, verdict String, reason String, evidence String,
    holder String, holders String, members String, chain String, root String, chain_id String, victims String, held_sockets String, held_endpoints String,
    stack String, unresolved String, truncated String, loss String, blockwatch String, os String
) ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS blockwatch.objects_to_lines TO blockwatch.lines AS
SELECT '{' || arrayStringConcat(arrayMap(f -> toJSONString(f.1) || ':' || if(f.3, toJSONString(f.2), f.2), arrayFilter(f -> f.2 <> '', [
    ('@timestamp', `@timestamp`, 1), ('message', message, 1), ('event', event, 0), ('log', log, 0), ('host', host, 0), ('process', process, 0), ('container', container, 0),
    ('k8s', k8s, 0), ('service', service, 0), ('cgroup', cgroup, 0), ('syscall', syscall, 0), ('stop', stop, 0), ('resource', resource, 0), ('file', file, 0),
    ('pipe', pipe, 0), ('network', network, 0), ('lock', lock, 0), ('verdict', verdict, 1), ('reason', reason, 1), ('evidence', evidence, 0), ('holder', holder, 0),
    ('holders', holders, 0), ('members', members, 0), ('chain', chain, 1), ('root', root, 0), ('chain_id', chain_id, 1), ('victims', victims, 0),
    ('held_sockets', held_sockets, 0), ('held_endpoints', held_endpoints, 0), ('stack', stack, 0), ('unresolved', unresolved, 0), ('truncated', truncated, 0),
    ('loss', loss, 0), ('blockwatch', blockwatch, 0), ('os', os, 0)])), ',') || '}' AS line
FROM blockwatch.objects;

-- As root.address writes it.
CREATE OR REPLACE FUNCTION bw_endpoint AS (address, port) -> multiIf(address = '', '', position(address, ':') > 0, '[' || address || ']:' || toString(port), address || ':' || toString(port));
-- What never leaves its host: the same connection exists on many, and joins nothing.
CREATE OR REPLACE FUNCTION bw_leaves_host AS address -> address NOT IN ('', '::1', '0.0.0.0', '::') AND NOT startsWith(address, '127.') AND NOT startsWith(address, 'fe80:');

-- One pass over each line: what a later version has added is passed over, what is missing is empty.
CREATE TABLE IF NOT EXISTS blockwatch.parsed (line String, trouble String, r Tuple(
    `@timestamp` String, message String, verdict String, reason String, evidence Array(String), chain String, chain_id String,
    event Tuple(dataset String, action String, id String, sequence Nullable(UInt64), start String, duration UInt64),
    host Tuple(name String, id String, boot Tuple(id String), ip Array(String)),
    process Tuple(pid UInt64, name String, executable String, command_line String, entity_id String, start String, thread Tuple(id UInt64, name String), user Tuple(name String)),
    container Tuple(id String, name String), k8s Tuple(pod Tuple(name String), namespace Tuple(name String)),
    service Tuple(name String), syscall Tuple(name String), resource Tuple(kind String, name String),
    network Tuple(transport String, community_id String, state String, retransmits UInt64, local Tuple(address String, port UInt16), peer Tuple(address String, port UInt16)),
    holder Tuple(pid UInt64, tid UInt64, name String),
    members Array(Tuple(pid UInt64, tid UInt64, name String, community_id String, local Tuple(address String, port UInt16), peer Tuple(address String, port UInt16))),
    root Tuple(kind String, pid UInt64, name String, doing String, address String, community_id String),
    victims UInt64, held_sockets Array(String), held_endpoints Array(String), stack Array(String), unresolved Array(String), truncated Array(String),
    loss Tuple(what String, count UInt64, reason String),
    blockwatch Tuple(version String, run Tuple(id String), open_written UInt64), os Tuple(kernel String))
) ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS blockwatch.lines_to_parsed TO blockwatch.parsed AS
SELECT line, JSONExtract(line, 'Tuple(`@timestamp` String, message String, verdict String, reason String, evidence Array(String), chain String, chain_id String, event Tuple(dataset String, action String, id String, sequence Nullable(UInt64), start String, duration UInt64), host Tuple(name String, id String, boot Tuple(id String), ip Array(String)), process Tuple(pid UInt64, name String, executable String, command_line String, entity_id String, start String, thread Tuple(id UInt64, name String), user Tuple(name String)), container Tuple(id String, name String), k8s Tuple(pod Tuple(name String), namespace Tuple(name String)), service Tuple(name String), syscall Tuple(name String), resource Tuple(kind String, name String), network Tuple(transport String, community_id String, state String, retransmits UInt64, local Tuple(address String, port UInt16), peer Tuple(address String, port UInt16)), holder Tuple(pid UInt64, tid UInt64, name String), members Array(Tuple(pid UInt64, tid UInt64, name String, community_id String, local Tuple(address String, port UInt16), peer Tuple(address String, port UInt16))), root Tuple(kind String, pid UInt64, name String, doing String, address String, community_id String), victims UInt64, held_sockets Array(String), held_endpoints Array(String), stack Array(String), unresolved Array(String), truncated Array(String), loss Tuple(what String, count UInt64, reason String), blockwatch Tuple(version String, run Tuple(id String), open_written UInt64), os Tuple(kernel String))') AS r,
    multiIf(
        NOT isValidJSON(line) OR NOT startsWith(trimLeft(line), '{'), 'not a JSON object',
        NOT isValidUTF8(line), 'not text: INVALID ENCODING',
        r.event.dataset <> 'blockwatch.calls', 'not a record of blockwatch',
        r.event.action = '' OR isNull(parseDateTime64BestEffortOrNull(r.`@timestamp`, 6, 'UTC')) OR r.host.name = '' OR isNull(r.event.sequence), 'a field is missing',
        r.event.action NOT IN ('blocked', 'still_blocked', 'returned', 'ended', 'slow', 'deadlock', 'summary', 'loss', 'started', 'stopped', 'engine'), 'of a newer version: event.action ' || r.event.action,
        r.verdict NOT IN ('', 'deadlock', 'stuck', 'waiting', 'busy', 'idle'), 'of a newer version: verdict ' || r.verdict,
        r.event.action IN ('blocked', 'still_blocked', 'returned', 'ended', 'slow') AND (r.event.id = '' OR r.process.pid = 0 OR r.process.thread.id = 0), 'a field is missing',
        '') AS trouble
FROM blockwatch.lines WHERE line <> '';

CREATE TABLE IF NOT EXISTS blockwatch.rejected (
    received DateTime DEFAULT now() CODEC(DoubleDelta, ZSTD(1)), reason String CODEC(ZSTD(1)), line String CODEC(ZSTD(3))
) ENGINE = MergeTree ORDER BY (reason, received);

CREATE MATERIALIZED VIEW IF NOT EXISTS blockwatch.parsed_to_rejected TO blockwatch.rejected AS
SELECT trouble AS reason, line FROM blockwatch.parsed WHERE trouble <> '';

-- Every record, for whoever looks back. Sorted as each host wrote it: neighbours are alike, which is what the codecs live on, and a record that a
-- shipper sent twice meets itself and goes. A partition a day, so that a day goes in one piece.
CREATE TABLE IF NOT EXISTS blockwatch.records (
    ts DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD(1)), host_name LowCardinality(String), host_id LowCardinality(String), boot_id LowCardinality(String), run_id LowCardinality(String),
    sequence UInt64 CODEC(DoubleDelta, ZSTD(1)), action LowCardinality(String), event_id String CODEC(ZSTD(1)), started DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
    duration UInt64 CODEC(Delta, ZSTD(1)), message String CODEC(ZSTD(3)), pid UInt32 CODEC(T64, ZSTD(1)), tid UInt32 CODEC(T64, ZSTD(1)), process_name LowCardinality(String), thread_name LowCardinality(String),
    executable LowCardinality(String), command_line String CODEC(ZSTD(3)), entity_id String CODEC(ZSTD(1)), process_started DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)), user_name LowCardinality(String),
    service_name LowCardinality(String), container_id String CODEC(ZSTD(1)), container_name LowCardinality(String), pod_name LowCardinality(String), pod_namespace LowCardinality(String),
    syscall LowCardinality(String), resource_kind LowCardinality(String), resource_name String CODEC(ZSTD(1)), transport LowCardinality(String), state LowCardinality(String), retransmits UInt8,
    peer_address String CODEC(ZSTD(1)), peer_port UInt16, verdict LowCardinality(String), reason LowCardinality(String), evidence Array(String) CODEC(ZSTD(1)),
    holder_pid UInt32 CODEC(T64, ZSTD(1)), holder_tid UInt32 CODEC(T64, ZSTD(1)), holder_name LowCardinality(String), chain String CODEC(ZSTD(3)), root_kind LowCardinality(String), root_pid UInt32 CODEC(T64, ZSTD(1)),
    root_name LowCardinality(String), root_doing String CODEC(ZSTD(1)), root_address String CODEC(ZSTD(1)), root_connection String CODEC(ZSTD(1)), chain_id String CODEC(ZSTD(1)), victims UInt32 CODEC(T64, ZSTD(1)),
    waits_on Array(Tuple(id String, near String, far String)) CODEC(ZSTD(1)), held_sockets Array(String) CODEC(ZSTD(1)), held_endpoints Array(LowCardinality(String)), member_tids Array(UInt32) CODEC(ZSTD(1)),
    stack Array(LowCardinality(String)), unresolved Array(LowCardinality(String)), truncated Array(LowCardinality(String)), loss_what LowCardinality(String), loss_count UInt64 CODEC(T64, ZSTD(1)),
    loss_reason String CODEC(ZSTD(1)), version LowCardinality(String), kernel LowCardinality(String), open_written UInt64 CODEC(T64, ZSTD(1)), addresses Array(LowCardinality(String)),
    line String CODEC(ZSTD(3))
) ENGINE = ReplacingMergeTree PARTITION BY toYYYYMMDD(ts) ORDER BY (host_name, host_id, run_id, sequence);

CREATE MATERIALIZED VIEW IF NOT EXISTS blockwatch.parsed_to_records TO blockwatch.records AS
SELECT assumeNotNull(parseDateTime64BestEffortOrNull(r.`@timestamp`, 6, 'UTC')) AS ts, r.host.name AS host_name, r.host.id AS host_id, r.host.boot.id AS boot_id, r.blockwatch.run.id AS run_id,
    assumeNotNull(r.event.sequence) AS sequence, r.event.action AS action, r.event.id AS event_id, ifNull(parseDateTime64BestEffortOrNull(r.event.start, 6, 'UTC'), ts) AS started, r.event.duration AS duration,
    r.message AS message, r.process.pid AS pid, r.process.thread.id AS tid, r.process.name AS process_name, r.process.thread.name AS thread_name, r.process.executable AS executable,
    r.process.command_line AS command_line, r.process.entity_id AS entity_id, parseDateTime64BestEffortOrZero(r.process.start, 6, 'UTC') AS process_started, r.process.user.name AS user_name,
    r.service.name AS service_name, r.container.id AS container_id, r.container.name AS container_name, r.k8s.pod.name AS pod_name, r.k8s.namespace.name AS pod_namespace,
    r.syscall.name AS syscall, r.resource.kind AS resource_kind, r.resource.name AS resource_name, r.network.transport AS transport, r.network.state AS state, r.network.retransmits AS retransmits,
    r.network.peer.address AS peer_address, r.network.peer.port AS peer_port, r.verdict AS verdict, r.reason AS reason, r.evidence AS evidence,
    r.holder.pid AS holder_pid, r.holder.tid AS holder_tid, r.holder.name AS holder_name, r.chain AS chain, r.root.kind AS root_kind, r.root.pid AS root_pid, r.root.name AS root_name,
    r.root.doing AS root_doing, r.root.address AS root_address, r.root.community_id AS root_connection, r.chain_id AS chain_id, r.victims AS victims,
    -- the connections that it waits on, with both their ends
    arrayConcat(
        if(r.network.community_id = '' OR NOT bw_leaves_host(r.network.peer.address), [], [(r.network.community_id, bw_endpoint(r.network.local.address, r.network.local.port), bw_endpoint(r.network.peer.address, r.network.peer.port))]),
        arrayMap(m -> (m.community_id, bw_endpoint(m.local.address, m.local.port), bw_endpoint(m.peer.address, m.peer.port)), arrayFilter(m -> m.community_id <> '' AND bw_leaves_host(m.peer.address), r.members))) AS waits_on,
    r.held_sockets AS held_sockets, r.held_endpoints AS held_endpoints, arrayMap(m -> m.tid, r.members) AS member_tids, r.stack AS stack, r.unresolved AS unresolved, r.truncated AS truncated,
    r.loss.what AS loss_what, r.loss.count AS loss_count, r.loss.reason AS loss_reason, r.blockwatch.version AS version, r.os.kernel AS kernel, r.blockwatch.open_written AS open_written, r.host.ip AS addresses, line
FROM blockwatch.parsed WHERE trouble = '';

-- What was said last of each call: the place where a later record takes an earlier one's. `said` is higher for a later record, and highest for the end.
CREATE TABLE IF NOT EXISTS blockwatch.calls (
    ts DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)), host_name LowCardinality(String), host_id LowCardinality(String), run_id LowCardinality(String), sequence UInt64 CODEC(Delta, ZSTD(1)), said UInt64 CODEC(Delta, ZSTD(1)),
    action LowCardinality(String), event_id String CODEC(ZSTD(1)), started DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)), duration UInt64 CODEC(Delta, ZSTD(1)), pid UInt32 CODEC(T64, ZSTD(1)), tid UInt32 CODEC(T64, ZSTD(1)), process_name LowCardinality(String),
    executable LowCardinality(String), command_line String CODEC(ZSTD(3)), process_started DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)), user_name LowCardinality(String), service_name LowCardinality(String), pod_name LowCardinality(String),
    syscall LowCardinality(String), resource_kind LowCardinality(String), resource_name String CODEC(ZSTD(1)), transport LowCardinality(String), retransmits UInt8, peer_address String CODEC(ZSTD(1)), peer_port UInt16,
    verdict LowCardinality(String), reason LowCardinality(String), chain String CODEC(ZSTD(3)), root_kind LowCardinality(String), root_pid UInt32 CODEC(T64, ZSTD(1)), root_name LowCardinality(String), root_doing String CODEC(ZSTD(1)),
    root_address String CODEC(ZSTD(1)), root_connection String CODEC(ZSTD(1)), chain_id String CODEC(ZSTD(1)), victims UInt32 CODEC(T64, ZSTD(1)), waits_on Array(Tuple(id String, near String, far String)) CODEC(ZSTD(1)),
    held_sockets Array(String) CODEC(ZSTD(1)), held_endpoints Array(LowCardinality(String)), truncated Array(LowCardinality(String))
) ENGINE = ReplacingMergeTree(said) ORDER BY (host_name, host_id, run_id, event_id);

-- The same of what is open now, so that a question about now does not read the week.
CREATE TABLE IF NOT EXISTS blockwatch.open_state AS blockwatch.calls
ENGINE = ReplacingMergeTree(said) ORDER BY (host_name, host_id, run_id, event_id);

CREATE MATERIALIZED VIEW IF NOT EXISTS blockwatch.records_to_calls TO blockwatch.calls AS
SELECT ts, host_name, host_id, run_id, sequence, action, event_id, started, duration, pid, tid, process_name, executable, command_line, process_started, user_name, service_name, pod_name,
    syscall, resource_kind, resource_name, transport, retransmits, peer_address, peer_port, verdict, reason, chain, root_kind, root_pid, root_name, root_doing, root_address, root_connection,
    chain_id, victims, waits_on, held_sockets, held_endpoints, truncated,
    sequence + if(action IN ('returned', 'ended', 'slow'), 9223372036854775808, 0) AS said FROM blockwatch.records
WHERE action IN ('blocked', 'still_blocked', 'returned', 'ended', 'slow');

CREATE MATERIALIZED VIEW IF NOT EXISTS blockwatch.records_to_open TO blockwatch.open_state AS
SELECT ts, host_name, host_id, run_id, sequence, action, event_id, started, duration, pid, tid, process_name, executable, command_line, process_started, user_name, service_name, pod_name,
    syscall, resource_kind, resource_name, transport, retransmits, peer_address, peer_port, verdict, reason, chain, root_kind, root_pid, root_name, root_doing, root_address, root_connection,
    chain_id, victims, waits_on, held_sockets, held_endpoints, truncated,
    sequence + if(action IN ('returned', 'ended', 'slow'), 9223372036854775808, 0) AS said FROM blockwatch.records
WHERE action IN ('blocked', 'still_blocked', 'returned', 'ended');

-- One row a start of blockwatch, as far as merged.
CREATE TABLE IF NOT EXISTS blockwatch.runs (
    host_name LowCardinality(String), host_id LowCardinality(String), run_id LowCardinality(String), first_at SimpleAggregateFunction(min, DateTime64(6, 'UTC')), last_at SimpleAggregateFunction(max, DateTime64(6, 'UTC')),
    heard_at SimpleAggregateFunction(max, DateTime64(6, 'UTC')), is_stopped SimpleAggregateFunction(max, UInt8), version SimpleAggregateFunction(max, String), kernel SimpleAggregateFunction(max, String),
    first_sequence SimpleAggregateFunction(min, UInt64), last_sequence SimpleAggregateFunction(max, UInt64), numbers AggregateFunction(groupBitmap, UInt64), addresses SimpleAggregateFunction(groupUniqArrayArray, Array(String))
) ENGINE = AggregatingMergeTree ORDER BY (host_name, host_id, run_id);

CREATE MATERIALIZED VIEW IF NOT EXISTS blockwatch.records_to_runs TO blockwatch.runs AS
SELECT host_name, host_id, run_id, min(ts) AS first_at, max(ts) AS last_at, maxIf(ts, action IN ('summary', 'started')) AS heard_at, toUInt8(max(action = 'stopped')) AS is_stopped, max(toString(version)) AS version,
    max(toString(kernel)) AS kernel, min(sequence) AS first_sequence, max(sequence) AS last_sequence, groupBitmapState(sequence) AS numbers, groupUniqArrayArray(arrayMap(a -> toString(a), addresses)) AS addresses
FROM blockwatch.records GROUP BY host_name, host_id, run_id;
