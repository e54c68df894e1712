/**
 * The quota ledger. An account with its holds lives in one partition, the one that its name says on a cluster; each script is one
 * atomic step, so nothing comes between what an account has left and what is taken.
 *
 *   A:<account>      what it has spent and what is held, as numbers; the instant of the last change
 *   H:<account>      its holds by id: what is held, or nothing once it is settled. They go with the account: a caller may ask again
 *                    as long as it is there
 *   A                accounts, all with one score: in the order of their names (as keys of items, see ITEMS)
 *   T                accounts by the instant of their last change
 *
 * Numbers stand in the order of UNITS, sums of tokens among them: no script knows what they count.
 */
export const LEDGER: string = String.raw`
local NONE = '0 0 0 0 0 0'
local function numbersIn(text)
  local all = {}
  for one in text:gmatch('%S+') do all[#all + 1] = tonumber(one) end
  return all
end
local function textOf(amount) return string.format('%.17g', amount) end
local function change(account, field, amounts, sign)
  local name = P .. 'A:' .. account
  local sums = numbersIn(call('HGET', name, field) or NONE)
  for i, amount in ipairs(amounts) do sums[i] = textOf(sums[i] + sign * amount) end
  call('HSET', name, field, table.concat(sums, ' '))
end
local function touch(account)
  call('HSET', P .. 'A:' .. account, 'at', now)
  call('ZADD', P .. 'T', now, account)
end
`;

/** ARGV: now, then account, id, amounts, limits (- = none) of each. Answers { } for held, { place of the unit, left } for denied. */
export const HOLD: string = String.raw`
local function shortOf(account, amounts, limits)
  local sums = call('HMGET', P .. 'A:' .. account, 'spent', 'held')
  local spent, held, place = numbersIn(sums[1] or NONE), numbersIn(sums[2] or NONE), 0
  for limit in limits:gmatch('%S+') do
    place = place + 1
    local left = limit ~= '-' and tonumber(limit) - spent[place] - held[place]
    if left and amounts[place] > left then return { place, textOf(math.max(0, left)) } end
  end
end
local function hold(account, id, text, limits)
  local holds, amounts = P .. 'H:' .. account, numbersIn(text)
  if call('HEXISTS', holds, id) == 1 then return {} end
  local short = shortOf(account, amounts, limits)
  if short then return short end
  change(account, 'held', amounts, 1)
  call('HSET', holds, id, text)
  call('ZADD', P .. 'A', 0, account)
  touch(account)
  return {}
end
local outcomes = {}
for i = 2, #ARGV, 4 do outcomes[#outcomes + 1] = hold(unpack(ARGV, i, i + 3)) end
return outcomes
`;

/** ARGV: now, then account, id, amounts spent of each. Answers how many were settled. */
export const SETTLE_HOLDS: string = String.raw`
local count = 0
for i = 2, #ARGV, 3 do
  local account, id = ARGV[i], ARGV[i + 1]
  local held = call('HGET', P .. 'H:' .. account, id)
  if held and held ~= '' then
    change(account, 'held', numbersIn(held), -1)
    change(account, 'spent', numbersIn(ARGV[i + 2]), 1)
    call('HSET', P .. 'H:' .. account, id, '')
    touch(account)
    count = count + 1
  end
end
return count
`;

/** ARGV: now, first and last account as ZRANGEBYLEX wants them, how many. Answers { account, instant, spent, held } each. */
export const BALANCES: string = String.raw`
local found = {}
for _, account in ipairs(call('ZRANGEBYLEX', P .. 'A', ARGV[2], ARGV[3], 'LIMIT', 0, ARGV[4])) do
  local sums = call('HMGET', P .. 'A:' .. account, 'at', 'spent', 'held')
  found[#found + 1] = { account, sums[1], sums[2] or NONE, sums[3] }
end
return found
`;

/** ARGV: now, untouched since, how many. Answers how many there were. */
export const PRUNE_ACCOUNTS: string = String.raw`
local untouched = call('ZRANGEBYSCORE', P .. 'T', '-inf', '(' .. ARGV[2], 'LIMIT', 0, ARGV[3])
for _, account in ipairs(untouched) do
  call('UNLINK', P .. 'A:' .. account, P .. 'H:' .. account)
  call('ZREM', P .. 'A', account)
  call('ZREM', P .. 'T', account)
end
return #untouched
`;
