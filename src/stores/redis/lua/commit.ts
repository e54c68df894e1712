/**
 * One batch under one lease; each transition is atomic and fenced on its own. ARGV: now, worker, epoch, then
 * ARGUMENTS_PER_TRANSITION for each: run, fiber, expected seq, state, value, context, aside, event, rest. An empty text is an absent
 * one: JSON is never empty.
 *
 * The common transition keeps its fiber and has no rest: one look at the fence, one event, one write of the fiber: 5 to 6 µs. One
 * text for the whole batch, taken apart here, would cost 1.3 µs more for each. Payloads are arguments of their own, so nothing is
 * decoded. An error in the middle of a script takes nothing back, so whatever can refuse a transition is asked before its first
 * write, which is the event: `sound` looks at the types of keys that nothing has read, everything else was checked before it was
 * sent.
 *
 * The end of a run takes its open fibers with it in the same script, which cannot be cut: 20 to 30 µs for each, so 0.3 s for a
 * run that ends with 10,000 fibers open.
 */
export const ARGUMENTS_PER_TRANSITION = 9;

/** What a transition does beyond its own fiber and event. */
const EFFECTS = String.raw`
local W, E = ARGV[2], ARGV[3]
local function soundTargets(run, r)
  if r.spawn then sound(run, 'rF') end
  if r.pos == 'ended' then sound(run, 'Fk') end
  if r.cancelFork then sound(run, 'F') end
  if r.dropFork then sound(run, 'k') end
  if r.blobs then sound(run, 'b') end
  for _, o in ipairs(r.start or {}) do isNew(o) end
  for _, m in ipairs(r.send or {}) do sound(m.run, (m.blobs or m.shared) and 'rmib' or 'rmi') end
  for _, c in ipairs(r.cancelRuns or {}) do sound(c[1], 'r') end
end
local function cancelFork(run, parent, fork, reason)
  local wanted = parent .. '#' .. fork
  local open = call('HGETALL', P .. 'F:' .. run)
  for i = 1, #open, 2 do
    if open[i + 1] == wanted then requestCancel(run, open[i], reason) end
  end
end
local function applyEffects(run, key, r, queued)
  keepBlobs(run, r.blobs)
  share(run, r.shared)
  if r.spawn then
    local owner = currentEpoch(W, E) and W or nil
    local fingerprint = call('HGET', P .. 'r:' .. run, 'fp')
    for _, o in ipairs(r.spawn) do
      if bear(run, fingerprint, o, o.leased and owner, E) == 'queued' then queued[#queued + 1] = o.key end
    end
  end
  for _, o in ipairs(r.start or {}) do create(o) end
  for _, m in ipairs(r.send or {}) do deliver(m) end
  if r.cancelFork then cancelFork(run, key, r.cancelFork[1], r.cancelFork[2]) end
  for _, c in ipairs(r.cancelRuns or {}) do cancelRun(c[1], c[2]) end
  if r.dropFork then
    call('UNLINK', P .. 'j:' .. run .. '/' .. key .. '#' .. r.dropFork)
    call('SREM', P .. 'k:' .. run, key .. '#' .. r.dropFork)
  end
  for _, entry in ipairs(r.outbox or {}) do
    local seq = call('HINCRBY', P .. 'counters', 'outbox', 1)
    call('ZADD', P .. 'O', 'NX', seq, entry[1])
    call('ZADD', P .. 'o:' .. entry[2], 'NX', seq, entry[1])
    call('HSET', P .. 'oh', entry[1], entry[2] .. '\n' .. entry[3])
  end
end
`;

const POSITIONS = String.raw`
local function park(run, key, f, r)
  local ref = run .. '/' .. key
  local fiber = P .. 'f:' .. ref
  call('HSET', fiber, 'N', cmsgpack.pack(r.names))
  if r.wait then
    call('HSET', fiber, 'x', r.wait, 'W', r.human and 'h' or 's')
    for _, name in ipairs(r.names) do call('SADD', P .. 'a:' .. run .. '/' .. name, key) end
  end
  local due = r['until']
  if f.X or mailboxHolds(run, r.names) then due = now end
  if due then
    call('HSET', fiber, 'r', due)
    enqueue(ref, f, due)
  end
end
local function finish(run, key, outcome)
  local ref = run .. '/' .. key
  call('HDEL', P .. 'f:' .. ref, 'X')
  local fields = call('HGETALL', P .. 'f:' .. ref)
  fields[#fields + 1] = 'E'
  fields[#fields + 1] = outcome
  keepEnded(run, key, call('HGET', P .. 'F:' .. run, key) or '', fields)
  call('DEL', P .. 'f:' .. ref)
  call('HDEL', P .. 'F:' .. run, key)
end
local function reschedule(ref, f, r, queued, key)
  local s = r.sched
  if r.pos == 'held' then vacate(ref, f) end
  f.q, f.p, f.L = s[1], s[2], s[3]
  call('HSET', P .. 'f:' .. ref, 'q', f.q, 'p', f.p, 'L', f.L)
  if r.pos == 'held' and governed(f.q) then
    letGo(ref, f)
    call('HSET', P .. 'f:' .. ref, 'r', now)
    enqueue(ref, f, now)
    queued[#queued + 1] = key
  end
end
-- Out of its worker's hands: into the queue, into a wait, or to its parent.
local function leave(run, key, f, r, queued)
  local ref = run .. '/' .. key
  if r.pos ~= 'held' then
    letGo(ref, f)
    note(run)
  end
  if r.sched then reschedule(ref, f, r, queued, key) end
  if r.pos == 'ready' then
    local at = r.at
    if f.X and NOW < tonumber(at) then at = now end
    call('HSET', P .. 'f:' .. ref, 'r', at)
    enqueue(ref, f, at)
  elseif r.pos == 'parked' then park(run, key, f, r)
  elseif r.pos == 'ended' then finish(run, key, r.outcome) end
end
`;

const TRANSITION = String.raw`
local COMMITTED, LOST, CONFLICT = 0, 1, 2
local function tell(run, b)
  if ARGV[b + 7] ~= '' then call('RPUSH', P .. 'e:' .. run, ARGV[b + 7]) end
end
local function write(run, key, f, b)
  local fiber = P .. 'f:' .. run .. '/' .. key
  local value, context, aside = ARGV[b + 4], ARGV[b + 5], ARGV[b + 6]
  tell(run, b)
  local seq = string.format('%.0f', f.n + 1)
  if context ~= '' or aside ~= '' then
    local fields = { 'n', seq, 'd', '0', 's', ARGV[b + 3] }
    for name, text in pairs({ v = value, c = context, a = aside }) do
      if text ~= '' then
        fields[#fields + 1] = name
        fields[#fields + 1] = text
      end
    end
    call('HSET', fiber, unpack(fields))
  elseif value ~= '' then call('HSET', fiber, 'n', seq, 'd', '0', 's', ARGV[b + 3], 'v', value)
  else call('HSET', fiber, 'n', seq, 'd', '0', 's', ARGV[b + 3]) end
  if f.N then
    forgetNames(run, key, f.N)
    call('HDEL', fiber, 'N', 'x', 'W')
  end
end
local function outcomeOf(ref, queued)
  local f = call('HMGET', P .. 'f:' .. ref, 'w', 'r', 'W', 'X')
  local woken = not f[1] and f[3] and f[2] and tonumber(f[2]) <= NOW
  if not woken and not f[4] and #queued == 0 then return COMMITTED end
  return { COMMITTED, woken and 1 or 0, f[4], queued }
end
local function finishRun(run, key, f, b, r)
  local found = endingOf(run)
  tell(run, b)
  for _, seq in ipairs(r.consume or {}) do takeMessage(run, seq) end
  local queued = {}
  applyEffects(run, key, r, queued)
  endRun(run, r.endRun, key, f, found)
  return COMMITTED
end
local function whole(run, key, f, b, r)
  for _, seq in ipairs(r.consume or {}) do
    if call('HEXISTS', P .. 'm:' .. run, seq) == 0 then return CONFLICT end
  end
  if r.unless and mailboxHolds(run, r.unless) then return CONFLICT end
  if r.endRun then
    r.pos = 'gone'
    soundTargets(run, r)
    return finishRun(run, key, f, b, r)
  end
  soundTargets(run, r)
  write(run, key, f, b)
  if r.ack and f.X then
    call('HDEL', P .. 'f:' .. run .. '/' .. key, 'X')
    call('SREM', P .. 'x:' .. W .. '#' .. E, run .. '/' .. key)
    f.X = false
  end
  for _, seq in ipairs(r.consume or {}) do takeMessage(run, seq) end
  local queued = {}
  leave(run, key, f, r, queued)
  applyEffects(run, key, r, queued)
  if r.pos == 'ended' then return #queued == 0 and COMMITTED or { COMMITTED, 0, false, queued } end
  return outcomeOf(run .. '/' .. key, queued)
end
local function refused(raised) return { 3, refusal(raised) } end
local function one(b)
  local run, key, rest = ARGV[b], ARGV[b + 1], ARGV[b + 8]
  local ref = run .. '/' .. key
  if rest ~= '' then
    local f = rowOf(ref)
    if f.w ~= W or f.e ~= E or f.n ~= ARGV[b + 2] then return LOST end
    return whole(run, key, f, b, cjson.decode(rest))
  end
  local v = call('HMGET', P .. 'f:' .. ref, 'w', 'e', 'n', 'X', 'N')
  if v[1] ~= W or v[2] ~= E or v[3] ~= ARGV[b + 2] then return LOST end
  write(run, key, { n = v[3], N = v[5] }, b)
  if v[4] then return { COMMITTED, 0, v[4], {} } end
  return COMMITTED
end
local outcomes, raised = {}, nil
vacated = {}
for b = 4, #ARGV, ${ARGUMENTS_PER_TRANSITION} do
  local ok, outcome = pcall(one, b)
  if not ok then ok, outcome = pcall(refused, outcome) end
  if not ok then
    raised = outcome
    break
  end
  outcomes[#outcomes + 1] = outcome
end
for queue, places in pairs(vacated) do
  each500(places, function(...) call('ZREM', P .. 'G:' .. queue, ...) end)
end
if raised then error(raised, 0) end
return { outcomes, ready, noted }
`;

export const COMMIT: string = EFFECTS + POSITIONS + TRANSITION;
