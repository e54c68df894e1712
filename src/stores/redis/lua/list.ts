/**
 * One bounded look along a list of runs, in order of (created_at, id). Of the lists that have all wanted runs it walks the shortest.
 * Texts are compared byte by byte: Lua's own comparison follows the locale of the server.
 * ARGV: now, lists as JSON, newest or oldest, after (created_at, id; empty = from the start), rows to look at, rows to find, filter
 * as JSON. Answers records, and where it stopped, unless at the end.
 */
export const LIST: string = String.raw`
local function before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = a:byte(i), b:byte(i)
    if x ~= y then return x < y end
  end
  return #a < #b
end
local function shortest(lists)
  local best, size
  for _, name in ipairs(lists) do
    local count = call('ZCARD', P .. name)
    if not size or count < size then best, size = P .. name, count end
  end
  return best, size
end
local list, size = shortest(cjson.decode(ARGV[2]))
local newest, afterAt, afterId, looks, wanted = ARGV[3] == 'newest', ARGV[4], ARGV[5], tonumber(ARGV[6]), tonumber(ARGV[7])
local filter = cjson.decode(ARGV[8])
-- The place of the first row that is not before (at, id).
local function placeOf(at, id)
  local low = call('ZCOUNT', list, '-inf', '(' .. at)
  local high = low + call('ZCOUNT', list, at, at)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if before(call('ZRANGE', list, middle, middle)[1], id) then low = middle + 1 else high = middle end
  end
  return low
end
local from
if newest then
  from = size
  if filter.before then from = call('ZCOUNT', list, '-inf', '(' .. filter.before) end
  if afterAt ~= '' then from = math.min(from, placeOf(afterAt, afterId)) end
  from = from - 1
else
  from = 0
  if filter.after then from = call('ZCOUNT', list, '-inf', filter.after) end
  if afterAt ~= '' then
    local place = placeOf(afterAt, afterId)
    if call('ZRANGE', list, place, place)[1] == afterId then place = place + 1 end
    from = math.max(from, place)
  end
end
local rows
if newest then rows = from < 0 and {} or call('ZRANGE', list, math.max(0, from - looks + 1), from, 'WITHSCORES')
else rows = call('ZRANGE', list, from, from + looks - 1, 'WITHSCORES') end
local count = #rows / 2
local function matches(run, at)
  if filter.after and tonumber(at) <= tonumber(filter.after) then return false end
  if filter.before and tonumber(at) >= tonumber(filter.before) then return false end
  local r = call('HMGET', P .. 'r:' .. run, 'flow', 'ver', 'st', 'pr')
  if filter.flow and r[1] ~= filter.flow then return false end
  if filter.version and r[2] ~= filter.version then return false end
  if filter.parent and r[4] ~= filter.parent then return false end
  for _, pair in ipairs(filter.pairs) do
    if not call('ZSCORE', P .. pair, run) then return false end
  end
  if not filter.statuses then return true end
  local status = statusOf(run, r[3])
  for _, one in ipairs(filter.statuses) do
    if one == status then return true end
  end
  return false
end
local found, last = {}, false
for n = 1, count do
  local i = newest and count - n + 1 or n
  local run, at = rows[2 * i - 1], rows[2 * i]
  last = { at, run }
  if matches(run, at) then
    found[#found + 1] = record(run)
    if #found >= wanted then break end
  end
end
if count < looks and #found < wanted then last = false end
return { found, last }
`;
