/** The mailbox of a run, and its blobs. */
export const MESSAGES: string = String.raw`
local function share(run, hashes)
  for _, hash in ipairs(hashes or {}) do
    call('SADD', P .. 'b:' .. run, hash)
    call('SADD', P .. 'C:' .. hash, run)
  end
end
local function keepBlobs(run, blobs)
  for _, blob in ipairs(blobs or {}) do
    call('SET', P .. 'B:' .. blob[1], blob[2], 'NX')
    share(run, { blob[1] })
  end
end
local function deliver(m)
  local run = call('HMGET', P .. 'r:' .. m.run, 'st', 'ended')
  if not run[1] then return 'unknown' end
  local mark = m.id and 'i' .. m.id or m.once and 'o' .. m.once
  if mark and call('SISMEMBER', P .. 'i:' .. m.run, mark) == 1 then return 'duplicate' end
  if run[2] then return 'ended' end
  if mark then call('SADD', P .. 'i:' .. m.run, mark) end
  local seq = string.format('%.0f', call('HINCRBY', P .. 'counters', 'message', 1))
  call('HSET', P .. 'm:' .. m.run, seq, cjson.encode({ m.name, m.sentAt, mark or '' }), seq .. 'd', m.data)
  call('ZADD', P .. 'n:' .. m.run .. '/' .. m.name, seq, seq)
  keepBlobs(m.run, m.blobs)
  share(m.run, m.shared)
  for _, key in ipairs(call('SMEMBERS', P .. 'a:' .. m.run .. '/' .. m.name)) do wake(m.run .. '/' .. key) end
  return 'delivered'
end
local function takeMessage(run, seq)
  local about = cjson.decode(call('HGET', P .. 'm:' .. run, seq))
  call('HDEL', P .. 'm:' .. run, seq, seq .. 'd')
  call('ZREM', P .. 'n:' .. run .. '/' .. about[1], seq)
end
local function mailboxHolds(run, names)
  for _, name in ipairs(names) do
    if call('EXISTS', P .. 'n:' .. run .. '/' .. name) == 1 then return true end
  end
  return false
end
`;

/** Whole runs: their start, their status, their end. */
export const RUNS: string = String.raw`
local ENDED = { completed = true, failed = true, cancelled = true }
local function statusList(status) return P .. 'ls:' .. (ENDED[status] and status or 'open') end
local function moveStatus(run, before, after, created)
  if statusList(before) ~= statusList(after) then
    call('ZREM', statusList(before), run)
    call('ZADD', statusList(after), created, run)
  end
end
-- Whether nothing of a run is there; raises when something is that is not ours.
local function isNew(o)
  local r, id = P .. 'r:' .. o.id, o.id
  if o.events or o.blobs or o.shared then sound(id, 'mikb') end
  if call('EXISTS', r, P .. 'e:' .. id, P .. 'F:' .. id) == 0 then return true end
  sound(id, 'reF')
  return call('EXISTS', r) == 0
end
-- Whether the run is new, and whether its root is leased.
local function create(o)
  local key = P .. 'r:' .. o.id
  if not isNew(o) then return false, false end
  local root = o.root
  local owner = root.leased and currentEpoch(o.worker, o.epoch)
  local leased = owner and not governed(root.queue)
  local fields = { 'flow', o.flow, 'ver', o.version, 'fp', o.fingerprint, 'st', leased and 'running' or 'pending',
    'input', o.input, 'meta', o.metadata, 'created', o.createdAt, 'idx', cjson.encode(o.lists) }
  local function add(name, value)
    fields[#fields + 1] = name
    fields[#fields + 1] = value
  end
  if o.parentRun then
    add('pr', o.parentRun)
    add('pf', o.parentFiber)
    add('reply', o.reply)
  end
  if leased then add('started', now) end
  call('HSET', key, unpack(fields))
  call('ZADD', P .. 'l', o.createdAt, o.id)
  call('ZADD', P .. 'ls:open', o.createdAt, o.id)
  for _, list in ipairs(o.lists) do call('ZADD', P .. list, o.createdAt, o.id) end
  bear(o.id, o.fingerprint, root, owner and o.worker, o.epoch)
  for _, event in ipairs(o.events or {}) do call('RPUSH', P .. 'e:' .. o.id, event) end
  for _, fiber in ipairs(o.fibers or {}) do bear(o.id, o.fingerprint, fiber) end
  for _, message in ipairs(o.messages or {}) do deliver(message) end
  call('RPUSH', P .. 'e:' .. o.id, root.key .. '\n' .. (leased and o.worker or '') .. '\n' .. o.event)
  keepBlobs(o.id, o.blobs)
  share(o.id, o.shared)
  return true, leased
end
local function statusOf(run, stored)
  if stored ~= 'running' then return stored end
  local human = false
  for _, key in ipairs(call('HKEYS', P .. 'F:' .. run)) do
    local f = call('HMGET', P .. 'f:' .. run .. '/' .. key, 'w', 'r', 'W')
    if f[1] or not f[3] or (f[2] and tonumber(f[2]) <= NOW) then return 'running' end
    human = human or f[3] == 'h'
  end
  return human and 'paused' or 'waiting'
end
local function record(run)
  local fields = call('HGETALL', P .. 'r:' .. run)
  if #fields == 0 then return false end
  return { run, statusOf(run, call('HGET', P .. 'r:' .. run, 'st')), fields }
end
local function cancelRun(run, reason)
  local found = call('HMGET', P .. 'r:' .. run, 'st', 'ended')
  if not found[1] then return 'unknown' end
  if found[2] then return 'ended' end
  call('HSETNX', P .. 'r:' .. run, 'cr', reason)
  requestCancel(run, '0', reason)
  return 'requested'
end
-- What ends with a run, read before anything is written: the types of these keys are right then.
local function endingOf(run)
  local found = call('HMGET', P .. 'r:' .. run, 'st', 'created')
  call('HLEN', P .. 'F:' .. run)
  if call('EXISTS', P .. 'k:' .. run, P .. 'm:' .. run) > 0 then sound(run, 'km') end
  return found
end
-- By its fiber 'key', which goes without a write of its own: half of the commands of a run were written to be deleted.
local function endRun(run, e, key, f, found)
  for _, other in ipairs(call('HKEYS', P .. 'F:' .. run)) do
    if other ~= key then removeFiber(run, other) end
  end
  if f.N then forgetNames(run, key, f.N) end
  release(run .. '/' .. key, f)
  if call('EXISTS', P .. 'k:' .. run, P .. 'm:' .. run) > 0 then
    for _, fork in ipairs(call('SMEMBERS', P .. 'k:' .. run)) do call('UNLINK', P .. 'j:' .. run .. '/' .. fork) end
    for _, seq in ipairs(call('HKEYS', P .. 'm:' .. run)) do
      if seq:sub(-1) ~= 'd' then
        local about = cjson.decode(call('HGET', P .. 'm:' .. run, seq))
        if about[3]:sub(1, 1) ~= 'i' then takeMessage(run, seq) end
      end
    end
  end
  call('DEL', P .. 'F:' .. run, P .. 'k:' .. run, P .. 'f:' .. run .. '/' .. key)
  moveStatus(run, found[1], e.status, found[2])
  call('ZADD', P .. 'le', e.at, run)
  local fields = { 'st', e.status, 'ended', e.at }
  if e.output then
    fields[5], fields[6] = 'out', e.output
  end
  if e.failure then
    fields[#fields + 1] = 'fail'
    fields[#fields + 1] = e.failure
  end
  call('HSET', P .. 'r:' .. run, unpack(fields))
  note(run)
end
local function deleteRun(run)
  local found = call('HMGET', P .. 'r:' .. run, 'st', 'idx')
  for _, list in ipairs(cjson.decode(found[2])) do call('ZREM', P .. list, run) end
  call('ZREM', P .. 'l', run)
  call('ZREM', P .. 'le', run)
  call('ZREM', statusList(found[1]), run)
  for _, seq in ipairs(call('HKEYS', P .. 'm:' .. run)) do
    if seq:sub(-1) ~= 'd' then takeMessage(run, seq) end
  end
  for _, hash in ipairs(call('SMEMBERS', P .. 'b:' .. run)) do
    call('SREM', P .. 'C:' .. hash, run)
    if call('EXISTS', P .. 'C:' .. hash) == 0 then call('UNLINK', P .. 'B:' .. hash) end
  end
  call('UNLINK', P .. 'r:' .. run, P .. 'e:' .. run, P .. 'm:' .. run, P .. 'i:' .. run, P .. 'b:' .. run)
end
`;
