/** Moves a schedule on, if it is as the caller saw it. ARGV: now, id, spec and nextAt as seen, nextAt, lastAt, lastRun. */
export const MOVE_SCHEDULE: string = String.raw`
local key = P .. 's:' .. ARGV[2]
local seen = call('HMGET', key, 'spec', 'next')
if seen[1] ~= ARGV[3] or (seen[2] or '') ~= ARGV[4] then return 0 end
for i, field in ipairs({ 'next', 'last', 'run' }) do
  if ARGV[4 + i] == '' then call('HDEL', key, field) else call('HSET', key, field, ARGV[4 + i]) end
end
return 1
`;

/** ARGV: now, id, spec, nextAt, lastAt, lastRun; an empty text is an absent one. */
export const PUT_SCHEDULE: string = String.raw`
local key = P .. 's:' .. ARGV[2]
call('DEL', key)
call('HSET', key, 'spec', ARGV[3])
for i, field in ipairs({ 'next', 'last', 'run' }) do
  if ARGV[3 + i] ~= '' then call('HSET', key, field, ARGV[3 + i]) end
end
call('SADD', P .. 'S', ARGV[2])
`;

/** ARGV: now, id. */
export const REMOVE_SCHEDULE: string = String.raw`
call('SREM', P .. 'S', ARGV[2])
return call('DEL', P .. 's:' .. ARGV[2])
`;

export const SCHEDULES: string = String.raw`
local found = {}
for _, id in ipairs(call('SMEMBERS', P .. 'S')) do found[#found + 1] = { id, call('HGETALL', P .. 's:' .. id) } end
return found
`;

/** ARGV: now, limit, shard or empty. */
export const OUTBOX: string = String.raw`
local found = {}
local list = ARGV[3] == '' and 'O' or 'o:' .. ARGV[3]
for _, id in ipairs(call('ZRANGE', P .. list, 0, ARGV[2] - 1)) do
  found[#found + 1] = { id, call('HGET', P .. 'oh', id) }
end
return found
`;

/** ARGV: now, ids. */
export const OUTBOX_DONE: string = String.raw`
for i = 2, #ARGV do
  local text = call('HGET', P .. 'oh', ARGV[i])
  if text then
    call('ZREM', P .. 'O', ARGV[i])
    call('ZREM', P .. 'o:' .. text:match('^[^\n]*'), ARGV[i])
    call('HDEL', P .. 'oh', ARGV[i])
  end
end
`;

/** ARGV: now, key, value. */
export const MARK: string = String.raw`
call('HSETNX', P .. 'K', ARGV[2], ARGV[3])
return call('HGET', P .. 'K', ARGV[2])
`;

export const VERSION: string = String.raw`
local found = call('TYPE', P .. 'meta').ok
return { found, found == 'hash' and call('HGET', P .. 'meta', 'schema') }
`;

/** Answers the version before. ARGV: now, version. */
export const MIGRATE: string = String.raw`
local from = call('HGET', P .. 'meta', 'schema') or '0'
if tonumber(from) < tonumber(ARGV[2]) then call('HSET', P .. 'meta', 'schema', ARGV[2]) end
return from
`;
