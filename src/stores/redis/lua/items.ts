/**
 * Items, all of a partition's in the slot of its keys: on a cluster the router puts each item into the partition that its collection
 * and key name, lists all partitions and merges what they answer. Each script is one atomic step, and in it each item on its own.
 *
 *   V:<collection>   items by key: version, instant of the change, end (or nothing), a line each, then the value
 *   v:<collection>   its keys, all with one score: so Redis orders them by their bytes, which is code point order (sortable-text.ts)
 *   E                items that end, <collection>\0<key>, by their end
 *
 * An expired item is none: it is passed over when read, and removed by the puts that follow (a few with each script) or by prune.
 */
export const ITEMS: string = String.raw`
local function parts(text) return text:match('^(%d+)\n([^\n]*)\n([^\n]*)\n') end
local function isOver(ends) return ends ~= '' and tonumber(ends) <= NOW end
-- The text of an item; nil when there is none, or it has expired.
local function itemOf(collection, key)
  local text = call('HGET', P .. 'V:' .. collection, key)
  if not text then return nil end
  local _, _, ends = parts(text)
  if isOver(ends) then return nil end
  return text
end
local function removeItem(collection, key)
  call('HDEL', P .. 'V:' .. collection, key)
  call('ZREM', P .. 'v:' .. collection, key)
  call('ZREM', P .. 'E', collection .. '\0' .. key)
end
-- So many of those that expired first. Answers how many there were. A collection whose key is somebody else's holds up no other.
local function removeExpired(limit)
  local over = call('ZRANGEBYSCORE', P .. 'E', '-inf', now, 'LIMIT', 0, limit)
  for _, name in ipairs(over) do
    local at = name:find('\0', 1, true)
    local ok, raised = pcall(removeItem, name:sub(1, at - 1), name:sub(at + 1))
    if not ok then
      refusal(raised)
      call('ZREM', P .. 'E', name)
    end
  end
  return #over
end
`;

/** ARGV: now, then collection and key of each. Answers texts, or nothing. */
export const GET_ITEMS: string = String.raw`
local found = {}
for i = 2, #ARGV, 2 do found[#found + 1] = itemOf(ARGV[i], ARGV[i + 1]) or false end
return found
`;

/**
 * ARGV: now, then collection, key, value, end, wanted version of each; an empty text is an absent one. Answers { 0, version }, { 1 }
 * for a conflict, { 2, why } for an item that cannot be stored.
 */
export const PUT_ITEMS: string = String.raw`
local isOurs = {}
-- Asked before anything is written: an item is stored whole or not at all.
local function needKeys(collection)
  if isOurs[collection] then return end
  local found = call('TYPE', P .. 'v:' .. collection).ok
  if found ~= 'zset' and found ~= 'none' then error('WRONGTYPE the keys of ' .. collection .. ' are a ' .. found, 0) end
  isOurs[collection] = true
end
local function putItem(collection, key, value, ends, wanted)
  needKeys(collection)
  local text = itemOf(collection, key)
  local version = text and tonumber((parts(text))) or 0
  if wanted ~= '' and tonumber(wanted) ~= version then return { 1 } end
  version = string.format('%.0f', version + 1)
  call('HSET', P .. 'V:' .. collection, key, version .. '\n' .. now .. '\n' .. ends .. '\n' .. value)
  call('ZADD', P .. 'v:' .. collection, 0, key)
  local name = collection .. '\0' .. key
  if ends == '' then call('ZREM', P .. 'E', name) else call('ZADD', P .. 'E', ends, name) end
  return { 0, version }
end
removeExpired(20 + math.floor(#ARGV / 5))
local outcomes = {}
for i = 2, #ARGV, 5 do
  local ok, outcome = pcall(putItem, unpack(ARGV, i, i + 4))
  outcomes[#outcomes + 1] = ok and outcome or { 2, refusal(outcome) }
end
return outcomes
`;

/** ARGV: now, then collection and key of each. Answers how many there were. */
export const REMOVE_ITEMS: string = String.raw`
local count = 0
for i = 2, #ARGV, 2 do
  if itemOf(ARGV[i], ARGV[i + 1]) then count = count + 1 end
  removeItem(ARGV[i], ARGV[i + 1])
end
return count
`;

/**
 * One bounded look along a collection. ARGV: now, collection, first and last key as ZRANGEBYLEX wants them, how many to find, how many
 * characters are enough. Answers { key, text } each, and the key where it stopped, unless at the end.
 */
export const LIST_ITEMS: string = String.raw`
local wanted, enough = tonumber(ARGV[5]), tonumber(ARGV[6])
local looks = math.max(wanted, 100)
local keys = call('ZRANGEBYLEX', P .. 'v:' .. ARGV[2], ARGV[3], ARGV[4], 'LIMIT', 0, looks)
local found, characters = {}, 0
for _, key in ipairs(keys) do
  local text = itemOf(ARGV[2], key)
  if text then
    found[#found + 1] = { key, text }
    characters = characters + #text
    if #found >= wanted or characters >= enough then return { found, key } end
  end
end
return { found, #keys >= looks and keys[#keys] }
`;

/** Removes expired items in bounded steps. ARGV: now, how many. Answers how many there were. */
export const EXPIRE_ITEMS: string = String.raw`
return removeExpired(ARGV[2])
`;
