/**
 * Leases. A worker that is gone leaves its lease in `dead`, and what it held goes back in bounded steps: whoever finds a lease
 * there goes on with it, so a process that dies in between loses nothing.
 */
export const LEASES: string = String.raw`
local function retire(worker, epoch)
  call('RPUSH', P .. 'dead', worker .. '#' .. epoch)
end
local function bury(limit)
  local count = 0
  while count < limit do
    local lease = call('LINDEX', P .. 'dead', 0)
    if not lease then break end
    local held = call('SRANDMEMBER', P .. 'h:' .. lease, limit - count)
    for _, ref in ipairs(held) do count = count + giveBack(ref, lease) end
    if #held == 0 then
      call('LPOP', P .. 'dead')
      call('DEL', P .. 'x:' .. lease)
    end
  end
  return count, call('EXISTS', P .. 'dead')
end
`;

const GIVEN_BACK_PER_SCRIPT = 500; // fibers given back per script: about 5 ms in which the server does nothing else

/** ARGV: now, worker, lease in ms, about (empty = as it was), epoch given by another shard or empty. */
export const REGISTER: string = String.raw`
local worker, given = ARGV[2], ARGV[5]
local known = call('HGET', P .. 'w:' .. worker, 'epoch')
local epoch
-- The first epoch is an instant: they grow even beyond a FLUSHALL, after which a worker must not meet its old epoch again.
call('HSETNX', P .. 'counters', 'epoch', string.format('%.0f', NOW))
if given == '' then epoch = string.format('%.0f', call('HINCRBY', P .. 'counters', 'epoch', 1))
else
  if known and tonumber(known) > tonumber(given) then return { known, ready, noted, 0 } end
  epoch = given
  if tonumber(call('HGET', P .. 'counters', 'epoch')) < tonumber(given) then call('HSET', P .. 'counters', 'epoch', given) end
end
if known and known ~= epoch then retire(worker, known) end
call('HSET', P .. 'w:' .. worker, 'epoch', epoch)
if ARGV[4] ~= '' then call('HSET', P .. 'w:' .. worker, 'about', ARGV[4]) else call('HSETNX', P .. 'w:' .. worker, 'about', 'null') end
call('ZADD', P .. 'W', NOW + ARGV[3], worker)
local _, more = bury(${GIVEN_BACK_PER_SCRIPT})
return { epoch, ready, noted, more }
`;

/** ARGV: now. Answers the workers that were swept now, how many fibers went back, and whether more is to be done. */
export const SWEEP: string = String.raw`
local swept = call('ZRANGEBYSCORE', P .. 'W', '-inf', now, 'LIMIT', 0, 100)
for _, worker in ipairs(swept) do
  retire(worker, call('HGET', P .. 'w:' .. worker, 'epoch'))
  call('ZREM', P .. 'W', worker)
  call('DEL', P .. 'w:' .. worker)
end
local count, more = bury(${GIVEN_BACK_PER_SCRIPT})
if #swept == 100 then more = 1 end
return { { swept, count }, ready, noted, more }
`;

/** Answers { cancelled, when the first lease of another worker runs out, now }. ARGV: now, worker, epoch, lease in ms, about or empty. */
export const HEARTBEAT: string = String.raw`
if not currentEpoch(ARGV[2], ARGV[3]) then return false end
call('ZADD', P .. 'W', NOW + ARGV[4], ARGV[2])
if ARGV[5] ~= '' then call('HSET', P .. 'w:' .. ARGV[2], 'about', ARGV[5]) end
local expiry = call('ZRANGE', P .. 'W', 0, 1, 'WITHSCORES')
local cancelled = {}
for _, ref in ipairs(call('SMEMBERS', P .. 'x:' .. ARGV[2] .. '#' .. ARGV[3])) do
  local reason = call('HGET', P .. 'f:' .. ref, 'X')
  if reason then cancelled[#cancelled + 1] = { ref, reason } end
end
return { cancelled, expiry[1] == ARGV[2] and expiry[4] or expiry[1] ~= ARGV[2] and expiry[2], now }
`;

/** What a worker holds. ARGV: now, worker, epoch. */
export const HELD: string = String.raw`
if not currentEpoch(ARGV[2], ARGV[3]) then return {} end
return call('SMEMBERS', P .. 'h:' .. ARGV[2] .. '#' .. ARGV[3])
`;

/** ARGV: now, worker, epoch, then the fibers. */
export const RELEASE: string = String.raw`
local count = 0
if currentEpoch(ARGV[2], ARGV[3]) then
  for i = 4, #ARGV do count = count + giveBack(ARGV[i], ARGV[2] .. '#' .. ARGV[3], true) end
end
return { count, ready, noted }
`;

export const WORKERS: string = String.raw`
local found = {}
local all = call('ZRANGE', P .. 'W', 0, -1, 'WITHSCORES')
for i = 1, #all, 2 do
  local w = call('HMGET', P .. 'w:' .. all[i], 'epoch', 'about')
  found[#found + 1] = { all[i], w[1], w[2], all[i + 1], call('SCARD', P .. 'h:' .. all[i] .. '#' .. w[1]) }
end
return found
`;

/** What the guard sends while the event loop is blocked. ARGV: now, worker, epoch, lease in ms. */
export const RENEW: string = String.raw`
if not currentEpoch(ARGV[2], ARGV[3]) then return 0 end
call('ZADD', P .. 'W', NOW + ARGV[4], ARGV[2])
return 1
`;
