/** ARGV: now, then one JSON for each run. */
export const CREATE_RUNS: string = String.raw`
local outcomes = {}
for i = 2, #ARGV do
  local o = cjson.decode(ARGV[i])
  local ok, created, leased = pcall(create, o)
  if not ok then outcomes[#outcomes + 1] = { 2, refusal(created) }
  elseif created then outcomes[#outcomes + 1] = { 0, leased and 1 or 0 }
  else outcomes[#outcomes + 1] = { 1, record(o.id) } end
end
return { outcomes, ready, noted }
`;

/** ARGV: now, the message as JSON. */
export const SIGNAL: string = String.raw`
return { deliver(cjson.decode(ARGV[2])), ready, noted }
`;

/** ARGV: now, run, reason. */
export const CANCEL: string = String.raw`
return { cancelRun(ARGV[2], ARGV[3]), ready, noted }
`;

/** ARGV: now, run, the revival as JSON. */
export const REVIVE: string = String.raw`
local run, o = ARGV[2], cjson.decode(ARGV[3])
local found = call('HMGET', P .. 'r:' .. run, 'st', 'ended', 'fp', 'created')
if not found[1] then return { 'unknown', ready, noted } end
if not found[2] then return { 'not-ended', ready, noted } end
moveStatus(run, found[1], 'running', found[4])
call('ZREM', P .. 'le', run)
call('HDEL', P .. 'r:' .. run, 'out', 'fail', 'ended', 'cr')
call('HSET', P .. 'r:' .. run, 'st', 'running')
keepBlobs(run, o.blobs)
share(run, o.shared)
for _, fiber in ipairs(o.fibers) do bear(run, found[3], fiber) end
for _, message in ipairs(o.messages) do deliver(message) end
call('RPUSH', P .. 'e:' .. run, o.event)
note(run)
return { 'revived', ready, noted }
`;

/** ARGV: now, run. */
export const LOAD: string = String.raw`
return record(ARGV[2])
`;

/** Open fibers of a run, and the forks that have ended ones. ARGV: now, run. */
export const OPEN_FIBERS: string = String.raw`
local fibers = {}
for _, key in ipairs(call('HKEYS', P .. 'F:' .. ARGV[2])) do
  fibers[#fibers + 1] = { key, call('HGETALL', P .. 'f:' .. ARGV[2] .. '/' .. key) }
end
return { fibers, call('SMEMBERS', P .. 'k:' .. ARGV[2]) }
`;

/**
 * Runs that ended before an instant, oldest end first. ARGV: now, ended before, limit, statuses as JSON, how many to pass over,
 * whether those that a parent waits for count, too. Answers { run, awaited by }, and how many were passed over or kept.
 */
export const ENDED: string = String.raw`
local wanted = {}
for _, status in ipairs(cjson.decode(ARGV[4])) do wanted[status] = true end
local limit, looked, found = tonumber(ARGV[3]), 0, {}
local rows = call('ZRANGEBYSCORE', P .. 'le', '-inf', '(' .. ARGV[2], 'LIMIT', ARGV[5], 500)
for _, run in ipairs(rows) do
  if #found >= limit then break end
  looked = looked + 1
  local r = call('HMGET', P .. 'r:' .. run, 'st', 'pr', 'reply')
  local awaitedBy = r[2] and r[3] ~= '' and r[2]
  local awaited = ARGV[6] == '' and awaitedBy and call('HEXISTS', P .. 'r:' .. awaitedBy, 'st') == 1
    and call('HEXISTS', P .. 'r:' .. awaitedBy, 'ended') == 0
  if wanted[r[1]] and not awaited then found[#found + 1] = { run, awaitedBy } end
end
return { found, looked, #rows }
`;

/** Deletes runs that have ended. ARGV: now, runs. */
export const FORGET: string = String.raw`
local count = 0
for i = 2, #ARGV do
  if call('HEXISTS', P .. 'r:' .. ARGV[i], 'ended') == 1 then
    deleteRun(ARGV[i])
    count = count + 1
  end
end
return count
`;
