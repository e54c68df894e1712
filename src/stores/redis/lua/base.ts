/*
 * Keys of one partition. All of them begin with KEYS[1], the prefix with its hash tag `{flujo:0}:`, so that every key of a script
 * lies in one slot. Scripts compute the other keys: Redis Cluster accepts that as long as they are in the slot of KEYS[1].
 *
 *   meta, counters   the schema version; the last epoch, message, turn and place in the outbox
 *   r:<run>          the run                      e:<run>            its events, a list; an event's number is its place in it
 *   F:<run>          keys of its open fibers, each with the fork it belongs to
 *   f:<run>/<key>    an open fiber                a:<run>/<name>     keys of the fibers that wait for that name
 *   j:<run>/<fork>   ended children of a fork     k:<run>            forks that have some
 *   m:<run>          the mailbox                  n:<run>/<name>     numbers of its messages under that name
 *   i:<run>          message ids ever accepted    b:<run>            hashes of blobs that it refers to
 *   B:<hash>         a blob                       C:<hash>           runs that refer to it
 *   q:<queue>        classes (definition and priority) with waiting fibers; z:<class>|<queue> those fibers by due time
 *   w:<worker>, W    a worker; all of them by the end of their lease
 *   h:<lease>        what a worker holds; x:<lease> what of it shall stop; dead: leases whose fibers go back
 *   l, lf: ls: lm: lp: le   lists of runs: all, by flow, status, metadata, parent, instant of the end
 *   R                rules of governed queues (see GOVERN)
 *   D, s:<id>, S     definitions, schedules       O, o:<shard>, oh   the outbox       K  marks of a router
 *   V: v: E          items (see ITEMS)            A A: H: T          accounts of the ledger (see LEDGER)
 *
 * An ended child is one field of its fork's hash, not a key: dropping the fork of a map of 100,000 items is one UNLINK.
 *
 * Fields of a fiber: s v c a (state, value, context, aside) n (seq) w e (owner, epoch) d (deliveries) r (readyAt) q p L (queue,
 * priority, lane) g (fingerprint) u k o (parent, fork, ordinal) x (open wait) N (its names) W (kind of wait: h = human) X (cancel
 * reason) E (outcome, of ended ones).
 *
 * Payloads are opaque texts: cjson would change the order of keys, large numbers and empty lists. Numbers travel as texts.
 */

/** The clock of the server, unless a test brings its own; what is to be told afterwards. */
export const BASE: string = String.raw`
local P, call = KEYS[1], redis.call
local now = ARGV[1]
if now == '' then
  local time = call('TIME')
  now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
end
local NOW = tonumber(now)
local ready, noted, isNoted = 0, {}, {}
local function note(run)
  if not isNoted[run] then
    isNoted[run] = true
    noted[#noted + 1] = run
  end
end
-- Only a key of another type is the fault of one row. Everything else (memory, disk, a replica) concerns all of them.
local function refusal(raised)
  local said = type(raised) == 'table' and raised.err or tostring(raised)
  if not said:find('WRONGTYPE', 1, true) then error(raised, 0) end
  return said
end
local TYPES = { r = 'hash', e = 'list', F = 'hash', m = 'hash', i = 'set', k = 'set', b = 'set' }
local isSound = {}
-- Only keys that are about to be written, and each once: seven of them for each transition were a tenth of all commands.
local function sound(run, letters)
  for letter in letters:gmatch('.') do
    local key, wanted = P .. letter .. ':' .. run, TYPES[letter]
    if not isSound[key] then
      local found = call('TYPE', key).ok
      if found ~= wanted and found ~= 'none' then
        error('WRONGTYPE ' .. key .. ' is a ' .. found .. ', expected a ' .. wanted, 0)
      end
      isSound[key] = true
    end
  end
end
local function currentEpoch(worker, epoch)
  return worker and call('HGET', P .. 'w:' .. worker, 'epoch') == epoch
end
`;

/**
 * Where fibers wait. A class is a definition and a priority: few of them, and a claim reads only due fibers of those it wants.
 *
 * A governed queue keeps a queue of its own for each lane, `<queue>\0<lane>`, one for fibers that shall stop, `<queue>\0\0`, and
 * two sets of lanes with waiting fibers:
 * `g:<queue>` in the order of turns, `t:<queue>` those that cannot be served before a time (not due, no rate, full = never).
 * `G:<queue>` holds what is leased, `<lane>\0<fiber>`, where a rule counts it: places are never kept in a counter, and those of a
 * lane are a range. A set of its own for each lane, made and thrown away with every run, was a fifth of what rules cost.
 * In R a text is the rules, `-` says that the rules were taken away and rows are on their way back. `<queue>\0` in R is there
 * while the places of what is leased are being counted, lease by lease (those in `y:<queue>`): how far that has come in the first.
 */
export const QUEUES: string = String.raw`
local known = {}
local function rulesOf(queue)
  local rules = known[queue]
  if rules == nil then
    local found = call('HMGET', P .. 'R', queue, queue .. '\0')
    local text = found[1]
    if not text then rules = false
    elseif text == '-' then rules = { freed = true }
    else
      rules = cjson.decode(text)
      rules.moving = call('EXISTS', P .. 'q:' .. queue) == 1
    end
    if rules then rules.counting = found[2] end
    known[queue] = rules
  end
  return rules
end
local function governed(queue)
  local rules = rulesOf(queue)
  return rules and not rules.freed
end
local function put(queue, fingerprint, priority, ref, at)
  local class = fingerprint .. '|' .. priority
  call('ZADD', P .. 'q:' .. queue, priority, class)
  call('ZADD', P .. 'z:' .. class .. '|' .. queue, at, ref)
end
local function drop(queue, fingerprint, priority, ref)
  local class = fingerprint .. '|' .. priority
  local waiting = P .. 'z:' .. class .. '|' .. queue
  if call('ZREM', waiting, ref) == 1 and call('EXISTS', waiting) == 0 then call('ZREM', P .. 'q:' .. queue, class) end
end
-- Where a fiber of a governed queue waits: in its lane, or among those that shall stop, which no rule holds back.
local function laneOf(f) return f.q .. '\0' .. (f.X and '\0' or f.L) end
-- Turns grow: one number from the counter for each script, and places within it.
local turnBase, turnsGiven
local function nextTurn()
  turnBase = turnBase or call('HINCRBY', P .. 'counters', 'turn', 1)
  turnsGiven = (turnsGiven or 0) + 1
  return turnBase * 1000000 + turnsGiven
end
-- Whether what is leased in the queue is kept as places, and under which name.
local function counts(rules)
  return rules and not rules.freed and (rules.concurrency or rules.lane and rules.lane.concurrency) and true or false
end
local function placeOf(ref, f) return f.L .. '\0' .. ref end
local sleepers = {}
local function mayRest(queue)
  if sleepers[queue] == nil then sleepers[queue] = call('EXISTS', P .. 't:' .. queue) == 1 end
  return sleepers[queue]
end
local function rouse(queue, lane, at)
  local asleep = P .. 't:' .. queue
  if tonumber(at) <= NOW then
    if call('ZADD', P .. 'g:' .. queue, 'NX', nextTurn(), lane) == 1 and mayRest(queue) then call('ZREM', asleep, lane) end
    return
  end
  sleepers[queue] = true
  if call('ZSCORE', P .. 'g:' .. queue, lane) then return end
  local before = call('ZSCORE', asleep, lane)
  if not before or tonumber(before) > tonumber(at) then call('ZADD', asleep, at, lane) end
end
local function enqueue(ref, f, at)
  local rules = rulesOf(f.q)
  if rules and not rules.freed then
    if rules.moving then drop(f.q, f.g, f.p, ref) end
    put(laneOf(f), f.g, f.p, ref, at)
    if not f.X then rouse(f.q, f.L, at) end
  else
    if rules then drop(laneOf(f), f.g, f.p, ref) end
    put(f.q, f.g, f.p, ref, at)
  end
  ready = 1
end
local function dequeue(ref, f)
  local rules = rulesOf(f.q)
  if not rules or rules.freed or rules.moving then drop(f.q, f.g, f.p, ref) end
  if rules then drop(laneOf(f), f.g, f.p, ref) end
end
local function each500(items, act)
  for from = 1, #items, 500 do act(unpack(items, from, math.min(#items, from + 499))) end
end
-- Leaves a place. Somebody waits for it only where there was none: in a queue that was full, or a lane that rests. Telling of every
-- place woke all workers with every batch.
local wasFull = {}
-- Places that a batch leaves, by queue: a script that gathers them here takes them out at its end.
local vacated
local function vacate(ref, f)
  local queue = f.q
  local rules = rulesOf(queue)
  if not rules or (rules.freed and not rules.counting) then return end
  if not counts(rules) and not rules.counting then return end
  if wasFull[queue] == nil then
    wasFull[queue] = rules.counting or rules.concurrency and call('ZCARD', P .. 'G:' .. queue) >= rules.concurrency or false
  end
  if vacated then
    local places = vacated[queue] or {}
    places[#places + 1] = placeOf(ref, f)
    vacated[queue] = places
  else call('ZREM', P .. 'G:' .. queue, placeOf(ref, f)) end
  if wasFull[queue] then ready = 1 end
  if not rules.freed and mayRest(queue) and call('EXISTS', P .. 'q:' .. queue .. '\0' .. f.L) == 1 then
    rouse(queue, f.L, now)
    ready = 1
  end
end
`;

/** Moves of single fibers that several operations share. */
export const FIBERS: string = String.raw`
local function rowOf(ref)
  local v = call('HMGET', P .. 'f:' .. ref, 'w', 'e', 'n', 'r', 'q', 'g', 'p', 'L', 'N', 'X', 'd', 'W')
  return { w = v[1], e = v[2], n = v[3], r = v[4], q = v[5], g = v[6], p = v[7], L = v[8], N = v[9], X = v[10], d = v[11], W = v[12] }
end
local function forgetNames(run, key, packed)
  for _, name in ipairs(cmsgpack.unpack(packed)) do call('SREM', P .. 'a:' .. run .. '/' .. name, key) end
end
-- Out of the hands of its worker, whatever becomes of the row.
local function release(ref, f)
  local lease = f.w .. '#' .. f.e
  call('SREM', P .. 'h:' .. lease, ref)
  if f.X then call('SREM', P .. 'x:' .. lease, ref) end
  vacate(ref, f)
end
local function letGo(ref, f)
  release(ref, f)
  call('HDEL', P .. 'f:' .. ref, 'w', 'e')
end
local function hold(ref, f, worker, epoch)
  local lease = worker .. '#' .. epoch
  call('SADD', P .. 'h:' .. lease, ref)
  if f.X then call('SADD', P .. 'x:' .. lease, ref) end
end
local function wake(ref)
  local f = rowOf(ref)
  if not f.n or f.w or (f.r and tonumber(f.r) <= NOW) then return end
  call('HSET', P .. 'f:' .. ref, 'r', now)
  enqueue(ref, f, now)
end
local function requestCancel(run, key, reason)
  local ref = run .. '/' .. key
  local f = rowOf(ref)
  if not f.n then return end
  local moves = not f.w and not f.X and f.r and governed(f.q)
  if moves then dequeue(ref, f) end
  if not f.X then call('HSET', P .. 'f:' .. ref, 'X', reason) end
  f.X = f.X or reason
  if f.w then call('SADD', P .. 'x:' .. f.w .. '#' .. f.e, ref)
  else
    if moves then enqueue(ref, f, f.r) end
    wake(ref)
  end
  ready = 1
  note(run)
end
local function forkOf(o)
  return o.parent and (o.parent .. '#' .. (o.fork or '')) or ''
end
local function keepEnded(run, key, fork, fields)
  call('HSET', P .. 'j:' .. run .. '/' .. fork, key, cjson.encode(fields))
  call('SADD', P .. 'k:' .. run, fork)
end
-- A new fiber; a key that exists is left alone (the root comes with its run). Answers 'leased', or 'queued' when it had to wait for its place.
local function bear(run, fingerprint, o, worker, epoch)
  local ref, fork = run .. '/' .. o.key, forkOf(o)
  if o.key ~= '0' then
    if call('HEXISTS', P .. 'F:' .. run, o.key) == 1 then return end
    if call('HEXISTS', P .. 'j:' .. run .. '/' .. fork, o.key) == 1 then return end
  end
  local fields = { 'n', '0', 'd', '0', 'g', fingerprint, 'q', o.queue, 'p', o.priority, 'L', o.lane, 's', o.state, 'v', o.value }
  local function add(name, value)
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  if o.context then add('c', o.context) end
  if o.aside then add('a', o.aside) end
  if o.parent then add('u', o.parent) end
  if o.fork then add('k', o.fork) end
  if o.ordinal then add('o', o.ordinal) end
  if o.ended then
    add('E', o.ended)
    return keepEnded(run, o.key, fork, fields)
  end
  local queued = worker and governed(o.queue)
  local at = queued and now or o.readyAt
  if worker and not queued then
    add('w', worker)
    add('e', epoch)
  else
    add('r', at)
  end
  call('HSET', P .. 'f:' .. ref, unpack(fields))
  call('HSET', P .. 'F:' .. run, o.key, fork)
  local f = { q = o.queue, g = fingerprint, p = o.priority, L = o.lane }
  if worker and not queued then
    hold(ref, f, worker, epoch)
    return 'leased'
  end
  enqueue(ref, f, at)
  return queued and 'queued'
end
local function removeFiber(run, key)
  local ref = run .. '/' .. key
  local f = rowOf(ref)
  if f.N then forgetNames(run, key, f.N) end
  if f.w then release(ref, f) elseif f.r then dequeue(ref, f) end
  call('DEL', P .. 'f:' .. ref)
end
local function giveBack(ref, lease, refund)
  local f = rowOf(ref)
  if not f.w or f.w .. '#' .. f.e ~= lease then
    call('SREM', P .. 'h:' .. lease, ref)
    return 0
  end
  letGo(ref, f)
  call('HSET', P .. 'f:' .. ref, 'r', now)
  if refund then call('HSET', P .. 'f:' .. ref, 'd', string.format('%.0f', math.max(0, f.d - 1))) end
  enqueue(ref, f, now)
  return 1
end
`;
