const TAKE = String.raw`
local function messagesFor(run, packed)
  local seqs, found = {}, {}
  for _, name in ipairs(cmsgpack.unpack(packed)) do
    for _, seq in ipairs(call('ZRANGE', P .. 'n:' .. run .. '/' .. name, 0, -1)) do seqs[seq] = true end
  end
  for seq in pairs(seqs) do
    local m = call('HMGET', P .. 'm:' .. run, seq, seq .. 'd')
    found[#found + 1] = { seq, m[1], m[2] }
  end
  return found
end
-- Free classes that gave rows, each with those rows; all that the worker holds from now on.
local served, held = {}, {}
-- Nothing for a row whose fiber is gone, which only damage can bring about.
local function take(row, worker, epoch)
  local ref = row.ref
  local fiber = P .. 'f:' .. ref
  local fields, f = call('HGETALL', fiber), {}
  for i = 1, #fields, 2 do f[fields[i]] = fields[i + 1] end
  if not f.n or f.w then return discard(row) end
  local run = ref:match('^(.*)/')
  local about = call('HMGET', P .. 'r:' .. run, 'meta', 'pr', 'pf', 'reply', 'st')
  local deliveries = string.format('%.0f', f.d + 1)
  local rules = rulesOf(f.q)
  if row.isOfOne and not rules.moving then
    if row.isLast then call('DEL', row.class.z, P .. 'q:' .. row.class.queue) else call('ZREM', row.class.z, ref) end
  elseif rules then dequeue(ref, f)
  else
    local class = row.class
    class.gone = class.gone or {}
    class.gone[#class.gone + 1] = ref
    served[class] = true
  end
  call('HDEL', fiber, 'r')
  call('HSET', fiber, 'w', worker, 'e', epoch, 'd', deliveries)
  held[#held + 1] = ref
  if f.X then call('SADD', P .. 'x:' .. worker .. '#' .. epoch, ref) end
  if counts(rules) then occupy(f.q, f.L, placeOf(ref, f)) end
  if f.n == '0' and about[5] == 'pending' then call('HSET', P .. 'r:' .. run, 'st', 'running', 'started', now) end
  for i = 1, #fields, 2 do
    if fields[i] == 'r' then fields[i], fields[i + 1] = 'w', worker
    elseif fields[i] == 'd' then fields[i + 1] = deliveries end
  end
  fields[#fields + 1] = 'e'
  fields[#fields + 1] = epoch
  return { ref, fields, about, f.N and messagesFor(run, f.N) or {} }
end
-- What is the same for all rows is written once: it was a third of the commands of a claim.
local function settle(worker, epoch)
  for class in pairs(served) do
    each500(class.gone, function(...) call('ZREM', class.z, ...) end)
    if call('EXISTS', class.z) == 0 then call('ZREM', P .. 'q:' .. class.queue, class.name) end
  end
  each500(held, function(...) call('SADD', P .. 'h:' .. worker .. '#' .. epoch, ...) end)
  for queue, places in pairs(placed) do
    -- Score and place by turns: all scores are 0, and the places in the order of their bytes.
    each500(places, function(...) call('ZADD', P .. 'G:' .. queue, ...) end)
  end
end
local function freeOffer(rows)
  local taken = 0
  return {
    peek = function() return rows[taken + 1] end,
    took = function() taken = taken + 1 end,
    done = function() end
  }
end
`;

/**
 * Again and again the first row of the queue whose first row is the most urgent; all free queues together are one offer.
 * ARGV: now, worker, epoch, limit, queues as JSON, fingerprints as JSON. Answers the fibers, and now.
 */
const CLAIM_ROWS = String.raw`
local worker, epoch, limit = ARGV[2], ARGV[3], tonumber(ARGV[4])
if not currentEpoch(worker, epoch) then return { {}, now } end
for _, fingerprint in ipairs(cjson.decode(ARGV[6])) do wantedPrints[fingerprint] = true end
local free, offers = {}, {}
for _, queue in ipairs(cjson.decode(ARGV[5])) do
  local rules = rulesOf(queue)
  if rules and (rules.freed or rules.moving or rules.counting) then goOn(queue, 200) end
  if governed(queue) then offers[#offers + 1] = governedOffer(queue, limit)
  else
    for _, class in ipairs(classesOf(queue)) do free[#free + 1] = class end
  end
end
if #free > 0 then offers[#offers + 1] = freeOffer(dueOf(free, limit)) end
local taken, raised = {}, nil
while #taken < limit do
  local best, from
  for _, offer in ipairs(offers) do
    local row = offer.peek()
    if row and (not best or moreUrgent(row, best)) then best, from = row, offer end
  end
  if not best then break end
  local ok, found = pcall(take, best, worker, epoch)
  if not ok then
    raised = found
    break
  end
  from.took(found ~= nil)
  taken[#taken + 1] = found
end
settle(worker, epoch)
for _, offer in ipairs(offers) do offer.done() end
if raised then error(raised, 0) end
return { taken, now }
`;

/** ARGV: now, queues as JSON, fingerprints as JSON. */
const EARLIEST = String.raw`
for _, fingerprint in ipairs(cjson.decode(ARGV[3])) do wantedPrints[fingerprint] = true end
local earliest
for _, queue in ipairs(cjson.decode(ARGV[2])) do
  local at
  if governed(queue) then at = governedDue(queue) else at = earliestOf(classesOf(queue)) end
  if at and (not earliest or at < earliest) then earliest = at end
end
return earliest and string.format('%.17g', earliest)
`;

export const CLAIM: string = TAKE + CLAIM_ROWS;
export const NEXT_DUE: string = EARLIEST;
