/** Reads only what it may take: per queue the classes with waiting fibers, and of those it wants the due ones. */
export const DUE: string = String.raw`
local wantedPrints = {}
-- A claim looks at the few classes that there are in every lane: each is taken apart once.
local parsed = {}
local function parse(class)
  local parts = parsed[class]
  if not parts then
    local fingerprint, priority = class:match('^(.*)|([^|]*)$')
    parts = { fingerprint = fingerprint, priority = tonumber(priority) }
    parsed[class] = parts
  end
  return parts
end
-- Wanted classes, and how many there are.
local function classesOf(queue, all)
  local classes, names = {}, call('ZREVRANGE', P .. 'q:' .. queue, 0, -1)
  for _, class in ipairs(names) do
    local parts = parse(class)
    if all or wantedPrints[parts.fingerprint] then
      classes[#classes + 1] = { name = class, queue = queue, z = P .. 'z:' .. class .. '|' .. queue, priority = parts.priority }
    end
  end
  return classes, #names
end
local function moreUrgent(a, b)
  return a.priority > b.priority or (a.priority == b.priority and a.at < b.at)
end
-- Due rows of these classes, best first. Those of equal priority are merged by due time.
local function dueOf(classes, limit)
  if #classes > 1 then table.sort(classes, function(a, b) return a.priority > b.priority end) end
  local due, i = {}, 1
  while i <= #classes and #due < limit do
    local level, priority, several = {}, classes[i].priority, false
    repeat
      several = several or #level > 0
      local rows = call('ZRANGEBYSCORE', classes[i].z, '-inf', now, 'WITHSCORES', 'LIMIT', 0, limit - #due)
      for n = 1, #rows, 2 do
        level[#level + 1] = { ref = rows[n], at = tonumber(rows[n + 1]), priority = priority, class = classes[i] }
      end
      i = i + 1
    until i > #classes or classes[i].priority ~= priority
    if several then table.sort(level, moreUrgent) end
    for n = 1, math.min(#level, limit - #due) do due[#due + 1] = level[n] end
  end
  return due
end
local function earliestOf(classes)
  local earliest
  for _, class in ipairs(classes) do
    local first = tonumber(call('ZRANGE', class.z, 0, 0, 'WITHSCORES')[2])
    if first and (not earliest or first < earliest) then earliest = first end
  end
  return earliest
end
local function discard(row)
  call('ZREM', row.class.z, row.ref)
  if call('EXISTS', row.class.z) == 0 then call('ZREM', P .. 'q:' .. row.class.queue, row.class.name) end
end
`;

/**
 * What a governed queue has for a claim. The first lane in the order of turns gives its best row and goes to the end. A lane that
 * cannot be served leaves the turns until a place is freed, its rate has room or a row is due: however many lanes are stuck, a
 * claim walks over those it can serve.
 */
export const GOVERN: string = String.raw`
local PASSED_PER_CLAIM = 1000
-- Places that this script gives, written together at its end: by queue, and how many by lane.
local placed, placedIn = {}, {}
local function occupy(queue, lane, place)
  local places = placed[queue] or {}
  places[#places + 1] = 0
  places[#places + 1] = place
  placed[queue] = places
  local key = queue .. '\0' .. lane
  placedIn[key] = (placedIn[key] or 0) + 1
end
local function lanePlaces(queue, lane)
  return call('ZLEXCOUNT', P .. 'G:' .. queue, '[' .. lane .. '\0', '(' .. lane .. '\1') + (placedIn[queue .. '\0' .. lane] or 0)
end
-- What rates remember, read once: a claim asked five times for each row.
local remembered = {}
local function rateState(queue, field)
  local states = remembered[queue] or {}
  remembered[queue] = states
  states[field] = states[field] or stateOf(call('HGET', P .. 'T:' .. queue, field))
  return states[field]
end
local function laneState(queue, lane) return rateState(queue, 'l' .. lane) end
local function queueState(queue) return rateState(queue, 'q') end
local function countIn(queue, field, rate, claims)
  local state = afterClaims(rate, rateState(queue, field), claims)
  remembered[queue][field] = state
  call('HSET', P .. 'T:' .. queue, field, textOf(state))
end
local function roomOf(rules, leased, state)
  local room = rules.concurrency and math.max(0, rules.concurrency - leased) or math.huge
  return rules.rate and math.min(room, roomIn(rules.rate, state)) or room
end
-- Lanes in the order of their turns, some at a time: those that were served stand at the end, those that leave go together,
-- before the next are read.
local function turnsOf(queue, limit)
  local turns, lanes, at, passed, leaving = {}, {}, 0, {}, {}
  function turns.settle()
    each500(leaving, function(...) call('ZREM', P .. 'g:' .. queue, ...) end)
    leaving = {}
  end
  function turns.next()
    at = at + 1
    if at > #lanes then
      turns.settle()
      lanes, at = call('ZRANGE', P .. 'g:' .. queue, #passed, #passed + limit - 1), 1
    end
    return lanes[at]
  end
  -- With rows of unknown definitions only. So many of them have had their turn: a claim must not walk over all for ever.
  function turns.pass(lane)
    passed[#passed + 1] = lane
    if #passed < PASSED_PER_CLAIM then return true end
    for _, one in ipairs(passed) do call('ZADD', P .. 'g:' .. queue, nextTurn(), one) end
    return false
  end
  function turns.rest(lane, until_)
    leaving[#leaving + 1] = lane
    if not until_ then return end
    call('ZADD', P .. 't:' .. queue, until_, lane)
    sleepers[queue] = true
  end
  return turns
end
-- A lane whose first row is not due, or that has none. What its rate remembers is kept as long as it says something.
local function restEmpty(turns, queue, lane, earliest)
  if earliest then return turns.rest(lane, earliest) end
  local forgotten = emptyAt(laneState(queue, lane))
  if forgotten > NOW then return turns.rest(lane, forgotten) end
  turns.rest(lane)
  call('HDEL', P .. 'T:' .. queue, 'l' .. lane)
  remembered[queue]['l' .. lane] = nil
end
local function restFull(turns, queue, lane, rules)
  if rules.concurrency and lanePlaces(queue, lane) >= rules.concurrency then return turns.rest(lane, '+inf') end
  turns.rest(lane, roomAt(rules.rate, laneState(queue, lane)))
end
-- The best row of a lane, and how many classes it has. With one, as most have, one look tells whether that row is the last one, too.
local function firstOf(waiting)
  local classes, count = classesOf(waiting)
  if count ~= 1 or not classes[1] then return dueOf(classes, 1)[1], count end
  local class = classes[1]
  local rows = call('ZRANGE', class.z, 0, 1, 'WITHSCORES')
  local at = tonumber(rows[2])
  if not at or at > NOW then return nil, count end
  return { ref = rows[1], at = at, priority = class.priority, class = class, isOfOne = true, isLast = #rows == 2 }, count
end
local function nextLane(turns, queue, rules)
  while true do
    local lane = turns.next()
    if not lane then return end
    local waiting = queue .. '\0' .. lane
    local row, count = firstOf(waiting)
    if row then
      row.lane = lane
      if not rules.concurrency and not rules.rate then return row end
      if roomOf(rules, rules.concurrency and lanePlaces(queue, lane), rules.rate and laneState(queue, lane)) > 0 then
        return row
      end
      restFull(turns, queue, lane, rules)
    else
      local earliest = count > 0 and earliestOf(classesOf(waiting, true))
      if not earliest or earliest > NOW then restEmpty(turns, queue, lane, earliest)
      elseif not turns.pass(lane) then return end
    end
  end
end
local function countClaim(turns, queue, rules, row)
  local lane = row.lane
  local rate = rules.lane and rules.lane.rate
  if rate then countIn(queue, 'l' .. lane, rate, 1) end
  -- With its last row a lane leaves the turns at once: half of the cost of lanes that have one row each was coming back for it.
  local hasMore = row.isOfOne and not row.isLast
  if hasMore or not row.isOfOne and call('EXISTS', P .. 'q:' .. queue .. '\0' .. lane) == 1 then
    call('ZADD', P .. 'g:' .. queue, nextTurn(), lane)
  elseif rate then restEmpty(turns, queue, lane)
  else turns.rest(lane) end
end
local function ripen(queue)
  for _, lane in ipairs(call('ZRANGEBYSCORE', P .. 't:' .. queue, '-inf', now, 'LIMIT', 0, 1000)) do rouse(queue, lane, now) end
end
local function governedOffer(queue, limit)
  local rules = rulesOf(queue)
  ripen(queue)
  local room = rules.counting and 0 or roomOf(rules, call('ZCARD', P .. 'G:' .. queue), queueState(queue))
  local stopping, stopped, turns = dueOf((classesOf(queue .. '\0\0')), limit), 0, turnsOf(queue, limit)
  local row, over
  local claims = 0
  return {
    peek = function()
      if stopped < #stopping then return stopping[stopped + 1] end
      if not row and room > 0 and not over then
        row = nextLane(turns, queue, rules.lane or {})
        over = not row
      end
      return row
    end,
    took = function(really)
      if stopped < #stopping then
        stopped = stopped + 1
        return
      end
      if really then
        countClaim(turns, queue, rules, row)
        room = room - 1
        claims = claims + 1
      else
        -- Damage took its fiber: the lane is looked at again when its turn comes round.
        call('ZADD', P .. 'g:' .. queue, nextTurn(), row.lane)
      end
      row = nil
    end,
    done = function()
      turns.settle()
      if rules.rate and claims > 0 then countIn(queue, 'q', rules.rate, claims) end
    end
  }
end
-- When the queue has something for the worker that more than a freed place can bring.
local function governedDue(queue)
  local rules = rulesOf(queue)
  local stopping = earliestOf(classesOf(queue .. '\0\0'))
  if stopping then return stopping end
  if rules.moving or rules.counting then return NOW end
  local full = rules.concurrency and call('ZCARD', P .. 'G:' .. queue) >= rules.concurrency
  local free = rules.rate and roomAt(rules.rate, queueState(queue)) or NOW
  local limits, earliest = rules.lane or {}, math.huge
  local function look(lane)
    if limits.concurrency and lanePlaces(queue, lane) >= limits.concurrency then return end
    local at = earliestOf(classesOf(queue .. '\0' .. lane))
    if not at or (full and at <= NOW) then return end
    if at <= NOW then at = math.max(free, limits.rate and roomAt(limits.rate, laneState(queue, lane)) or NOW) end
    earliest = math.min(earliest, at)
  end
  -- Beyond that many lanes it is worth another try soon: claims pass lanes of unknown definitions to the end.
  local inTurn = call('ZRANGE', P .. 'g:' .. queue, 0, PASSED_PER_CLAIM - 1)
  for _, lane in ipairs(inTurn) do
    look(lane)
    if earliest <= NOW then return earliest end
  end
  if #inTurn == PASSED_PER_CLAIM and not full then earliest = math.min(earliest, NOW + 100) end
  local asleep = call('ZRANGE', P .. 't:' .. queue, 0, PASSED_PER_CLAIM - 1, 'WITHSCORES')
  for i = 1, #asleep, 2 do
    if tonumber(asleep[i + 1]) >= earliest then break end
    look(asleep[i])
  end
  return earliest < math.huge and earliest or nil
end
`;

/**
 * Rows that wait where the rules before had put them move in bounded steps: until the last one has moved, every write looks in both
 * places, and each claim moves some on.
 */
export const MOVE: string = String.raw`
local function moveRows(from, limit)
  local moved = 0
  for _, class in ipairs(classesOf(from, true)) do
    if moved >= limit then break end
    local rows = call('ZRANGE', class.z, 0, limit - moved - 1, 'WITHSCORES')
    for i = 1, #rows, 2 do
      discard({ ref = rows[i], class = class })
      local f = rowOf(rows[i])
      if f.n and not f.w then enqueue(rows[i], f, rows[i + 1]) end
      moved = moved + 1
    end
  end
  return moved
end
-- Whether more is to be moved.
local function moveSome(queue, limit)
  local rules = rulesOf(queue)
  if not rules then return 0 end
  if not rules.freed then
    if rules.moving then moveRows(queue, limit) end
    return call('EXISTS', P .. 'q:' .. queue)
  end
  local moved = moveRows(queue .. '\0\0', limit)
  for _, lanes in ipairs({ P .. 'g:' .. queue, P .. 't:' .. queue }) do
    while moved < limit do
      local lane = call('ZRANGE', lanes, 0, 0)[1]
      if not lane then break end
      moved = moved + 1 + moveRows(queue .. '\0' .. lane, limit - moved)
      if call('EXISTS', P .. 'q:' .. queue .. '\0' .. lane) == 0 then call('ZREM', lanes, lane) end
    end
  end
  if moved >= limit or rules.counting then return 1 end
  call('HDEL', P .. 'R', queue)
  known[queue] = nil
  return 0
end
-- Places are counted anew only when rules begin to count them, or end: everything leased is looked at, in bounded steps, and until the
-- last one nothing is claimed. Whoever claims goes on with it, so a process that dies in between holds up nobody.
local function startCounting(queue)
  local leases = call('LRANGE', P .. 'dead', 0, -1)
  for _, worker in ipairs(call('ZRANGE', P .. 'W', 0, -1)) do
    leases[#leases + 1] = worker .. '#' .. call('HGET', P .. 'w:' .. worker, 'epoch')
  end
  call('DEL', P .. 'y:' .. queue)
  for _, lease in ipairs(leases) do call('RPUSH', P .. 'y:' .. queue, lease) end
  call('HSET', P .. 'R', queue .. '\0', '0')
  known[queue] = nil
end
local function placeAnew(rules, ref)
  local f = rowOf(ref)
  if not f.w then return end
  if counts(rules) then call('ZADD', P .. 'G:' .. f.q, 0, placeOf(ref, f)) else call('ZREM', P .. 'G:' .. f.q, placeOf(ref, f)) end
end
-- Whether more is to be counted.
local function countSome(queue, limit)
  local rules = rulesOf(queue)
  if not rules or not rules.counting then return 0 end
  local looked, leases = 0, P .. 'y:' .. queue
  while looked < limit do
    local lease = call('LINDEX', leases, 0)
    if not lease then
      call('HDEL', P .. 'R', queue .. '\0')
      rules.counting = nil
      ready = 1
      return 0
    end
    local page = call('SSCAN', P .. 'h:' .. lease, rules.counting, 'COUNT', limit)
    for _, ref in ipairs(page[2]) do
      if call('HGET', P .. 'f:' .. ref, 'q') == queue then placeAnew(rules, ref) end
    end
    looked = looked + #page[2] + 1
    rules.counting = page[1]
    if page[1] == '0' then call('LPOP', leases) end
  end
  call('HSET', P .. 'R', queue .. '\0', rules.counting)
  return 1
end
local function goOn(queue, limit)
  local counting = countSome(queue, limit)
  return math.max(counting, moveSome(queue, limit))
end
`;

/** Sets the rules of one queue, or takes them away. ARGV: now, queue, rules as JSON or empty, rows to look at. */
export const PUT_RULES: string = String.raw`
local queue, text = ARGV[2], ARGV[3]
local before = rulesOf(queue)
known[queue] = nil
if text ~= '' then
  call('HSET', P .. 'R', queue, text)
  -- What the rules held back before may be served now: claims rouse lanes whose time has come, so many at a time.
  if call('EXISTS', P .. 't:' .. queue) == 1 then call('ZUNIONSTORE', P .. 't:' .. queue, 1, P .. 't:' .. queue, 'WEIGHTS', 0) end
elseif before and not before.freed then
  call('HSET', P .. 'R', queue, '-')
  call('DEL', P .. 'T:' .. queue)
end
if before and before.counting or counts(before) ~= counts(rulesOf(queue)) then startCounting(queue) end
ready = 1
return { 'ok', ready, noted, goOn(queue, tonumber(ARGV[4])) }
`;

/** ARGV: now, queue, rows to look at. */
export const MOVE_ROWS: string = String.raw`
return { 'ok', ready, noted, goOn(ARGV[2], tonumber(ARGV[3])) }
`;
