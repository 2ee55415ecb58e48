-- Put before every other script of this folder.
--
-- Numbers. Money and points are micro-units (1e-6), times are microseconds since 1970 on the
-- server's clock. Both stay below 2^53, so Lua's doubles hold them exactly; `int` writes them out
-- in full, for Lua's own rendering of large numbers has an exponent that Redis does not read.
--
-- Scopes. Open questions are kept three times: for the visitor, for all guests of the link and for
-- the link. Each scope has two keys that expire together:
--   open  zset  ticket -> when it expires
--   held  hash  ticket -> hold|points|link id|opened at;  "=hold" and "=points" are their sums.
--         An "a" behind it: answered, but not in the books. It holds, and does not count as open;
--         "=answered" is how many there are
--
-- The watch. A ticket that a finish is expected for is kept a fourth time, for the whole deployment
-- and beyond its expiry, until somebody has written down that no finish came:
--   due      zset  ticket -> when it expires
--   facts    hash  ticket -> user id|link id|plan id or 0|guest 0 or 1|opened at|hold|points
--   late     zset  settle key|user id|link id|received at -> when it was settled: finishes that found
--                  no open ticket, and may be those of tickets that had expired
--   dropped  hash  "tickets" and "late" -> how many were let go because there were too many

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])

local function int(number)
  return string.format('%.0f', number)
end

local function read(key, field)
  local value
  if field then value = redis.call('HGET', key, field) else value = redis.call('GET', key) end
  return value and tonumber(value) or nil
end

local function exists(key)
  return redis.call('EXISTS', key) == 1
end

-- The parts of a held ticket as text, or nil.
local function ticket_of(held, ticket)
  local entry = redis.call('HGET', held, ticket)
  if not entry then return nil end
  local hold, points, link, opened, mark = string.match(entry, '^(%d+)|(%d+)|(%d+)|(%d+)(a?)$')
  return {hold = hold, points = points, link = link, opened = opened, is_answered = mark == 'a'}
end

-- The tickets of a scope that may be this answer's, for a finish does not carry one: the visitor's
-- oldest on the link that waits for its answer, the oldest answered one, the oldest expired one. A
-- finish that comes late, after an outage, is not that of a question asked after it.
local function candidates(open, held, answer)
  local found = {}
  local tickets = redis.call('ZRANGE', open, 0, -1, 'WITHSCORES')
  for index = 1, #tickets, 2 do
    local ticket, entry = tickets[index], ticket_of(held, tickets[index])
    if entry and entry.link == answer.link
       and tonumber(entry.opened) <= answer.received_us + answer.early_us then
      local kind = entry.is_answered and 'answered' or 'waiting'
      if tonumber(tickets[index + 1]) <= now then kind = 'expired' end
      found[kind] = found[kind] or ticket
    end
  end
  return found
end

-- Forget a ticket and what it holds, wherever it stands. Again: nothing happens.
local function release(open, held, ticket)
  local entry = ticket_of(held, ticket)
  redis.call('ZREM', open, ticket)
  if not entry then return false end
  redis.call('HDEL', held, ticket)
  redis.call('HINCRBY', held, '=hold', int(0 - tonumber(entry.hold)))
  redis.call('HINCRBY', held, '=points', int(0 - tonumber(entry.points)))
  if entry.is_answered then redis.call('HINCRBY', held, '=answered', -1) end
  return true
end

local WATCH_MS = 7 * 86400000 -- how long the watch is kept when nobody asks and nobody collects

local function unwatch(due, facts, ticket)
  redis.call('ZREM', due, ticket)
  redis.call('HDEL', facts, ticket)
end

-- Let go of the first ones of a watched set beyond max, and count them. facts: their hash, or nil.
local function bound(set, max, facts, dropped, name)
  local over = redis.call('ZCARD', set) - max
  if over <= 0 then return end
  local gone = redis.call('ZPOPMIN', set, over)
  for index = 1, #gone, 2 do
    if facts then redis.call('HDEL', facts, gone[index]) end
  end
  redis.call('HINCRBY', dropped, name, over)
  redis.call('PEXPIRE', dropped, int(WATCH_MS))
end

-- When the first open ticket of a scope expires, in microseconds from now; -1: none is open.
local function first_expiry(open)
  local first = redis.call('ZRANGE', open, 0, 0, 'WITHSCORES')
  return first[2] and math.max(tonumber(first[2]) - now, 1) or -1
end

-- Take a wallet's balance when its version is newer than the one held; returns whether it was.
-- It expires reload_ms after this, however often it is used.
local function take_balance(key, balance, version, reload_ms)
  local held_version = read(key, 'version')
  if held_version and held_version >= version then return false end
  redis.call('HSET', key, 'balance', int(balance), 'version', int(version))
  redis.call('PEXPIRE', key, int(reload_ms))
  return true
end
