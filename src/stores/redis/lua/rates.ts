/**
 * Rates, as `ports/queue-rules.ts` computes them (a test compares both). What a rate remembers is kept as
 * `period;part:claims,part:claims`, oldest first.
 */
export const RATES: string = String.raw`
local PARTS = 16
local function partOf(rate) return math.floor((NOW * PARTS) / rate.perMs) end
local function forgottenAt(perMs, part) return math.ceil(((part + PARTS + 1) * perMs) / PARTS) end
local function stateOf(text)
  local state = { perMs = 0, parts = {} }
  if not text then return state end
  local period, parts = text:match('^(.-);(.*)$')
  state.perMs = tonumber(period)
  for part, claims in parts:gmatch('(-?%d+):(%d+)') do
    state.parts[#state.parts + 1] = { tonumber(part), tonumber(claims) }
  end
  return state
end
local function textOf(state)
  local texts = {}
  for i, part in ipairs(state.parts) do texts[i] = string.format('%.0f:%.0f', part[1], part[2]) end
  return string.format('%.0f;', state.perMs) .. table.concat(texts, ',')
end
local function recent(rate, state)
  local kept, claims = {}, 0
  if state.perMs ~= rate.perMs then return kept, claims end
  local oldest = partOf(rate) - PARTS
  for _, part in ipairs(state.parts) do
    if part[1] >= oldest then
      kept[#kept + 1] = part
      claims = claims + part[2]
    end
  end
  return kept, claims
end
local function roomIn(rate, state)
  local _, claims = recent(rate, state)
  return math.max(0, rate.count - claims)
end
local function afterClaims(rate, state, claims)
  local kept = recent(rate, state)
  if claims > 0 then
    local last = kept[#kept]
    local part = math.max(partOf(rate), last and last[1] or 0)
    if last and last[1] == part then kept[#kept] = { part, last[2] + claims } else kept[#kept + 1] = { part, claims } end
  end
  return { perMs = rate.perMs, parts = kept }
end
local function roomAt(rate, state)
  local kept, claims = recent(rate, state)
  if claims < rate.count then return NOW end
  for _, part in ipairs(kept) do
    claims = claims - part[2]
    if claims < rate.count then return forgottenAt(rate.perMs, part[1]) end
  end
  return NOW
end
local function emptyAt(state)
  local last = state.parts[#state.parts]
  return last and forgottenAt(state.perMs, last[1]) or 0
end
`;
