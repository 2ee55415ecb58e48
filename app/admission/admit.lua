-- Admit one question entirely, or refuse it and change nothing.
--
-- KEYS   1 revision
--        2 rate of the visitor    3 of all guests    4 of the link
--        5 open  6 held  of the visitor    7, 8 of all guests    9, 10 of the link
--       11 questions today of the visitor   12 of all guests
--       13 points of the visitor today   14 this month
--       15 points of all guests today   16 points of the link this month   17 ever
--       18 balance   19 estimate
--       20 due   21 facts   22 dropped  of the watch
-- ARGV   1 JSON. Always there:
--          ticket, user, link, plan (text; plan "0": none), is_guest, expects_finish,
--          watched_max (how many tickets are watched), revision, revision_ms (how long the revision is kept),
--          day_starts_us, day_ends_us, month_starts_us, month_ends_us,
--          ttl_us (a ticket's life), reload_ms (the life of what is loaded),
--          charging: "free" | "endless" | "limited", credit (micro), needs_all (see Balance),
--          first_hold, first_points (micro)
--        Absent when there is no such limit (counts; points in micro-units):
--          visitor_rate, guests_rate, link_rate: {interval_us, tolerance_us}; interval 0: never
--          visitor_open, guests_open, link_open, visitor_day_questions, guests_day_questions,
--          visitor_day_points, visitor_month_points, guests_day_points, link_month_points,
--          link_total_points
--        Absent until asked for with "missing":
--          seeds: {version, and by the names that "missing" lists}
--          takes_old_seeds: true when newer ones are not to be had
-- Returns, with integers as integers
--        {"admitted", hold, points, expires at, expected charge, expected points}
--        {"refused", rule, wait in microseconds or -1, balance or ""}
--        {"clock", now}         the periods are not those of the server's clock
--        {"unknown"}            no revision is held
--        {"stale", revision}    the ask's revision is older
--        {"missing", name...}   load these and ask again; a seed older than what is held counts
--                               as not given
-- Again  a ticket that is open is answered with its admission; nothing is counted twice.
-- Expiry rates when they are idle again; tickets ttl_us after they were opened; questions an hour
--        after the day; what was loaded reload_ms after it was loaded, used or not; the watch a week
--        after it was last added to.

local ask = cjson.decode(ARGV[1])
local seeds = ask.seeds or {}
local visitor = {rate = KEYS[2], open = KEYS[5], held = KEYS[6]}
local guests = {rate = KEYS[3], open = KEYS[7], held = KEYS[8]}
local link = {rate = KEYS[4], open = KEYS[9], held = KEYS[10]}
local scopes = {visitor, link}
if ask.is_guest then scopes = {visitor, guests, link} end

-- Sweep: what has expired is gone, whatever is decided now -----------------------------------

for _, scope in ipairs(scopes) do
  for _, ticket in ipairs(redis.call('ZRANGEBYSCORE', scope.open, '-inf', int(now))) do
    release(scope.open, scope.held, ticket)
  end
end

-- Again ---------------------------------------------------------------------------------------

local expected_charge = read(KEYS[19], 'charge') or ask.first_hold
local expected_points = read(KEYS[19], 'points') or ask.first_points

local earlier = ticket_of(visitor.held, ask.ticket)
if earlier then
  local expires = tonumber(redis.call('ZSCORE', visitor.open, ask.ticket))
  return {'admitted', tonumber(earlier.hold), tonumber(earlier.points), expires,
          expected_charge, expected_points}
end

-- Clock and revision --------------------------------------------------------------------------

if now < ask.day_starts_us or now >= ask.day_ends_us
   or now < ask.month_starts_us or now >= ask.month_ends_us then
  return {'clock', now}
end

local revision = read(KEYS[1])
if not revision then return {'unknown'} end
if ask.revision < revision then return {'stale', revision} end

local function refused(rule, wait, balance)
  return {'refused', rule, wait, balance and int(balance) or ''}
end

-- Rates: GCRA. A key holds when its bucket is empty of debt; full means tolerance_us ahead ------

local next_rates = {}
local function too_fast(scope, limit)
  if not limit then return nil end
  if limit.interval_us == 0 then return -1 end
  -- A debt beyond this limit's own tolerance was made under another limit or another clock.
  local debt_until = math.min(read(scope.rate) or 0, now + limit.tolerance_us)
  local after = math.max(debt_until, now) + limit.interval_us
  local wait = after - now - limit.tolerance_us
  if wait > 0 then return wait end
  next_rates[scope.rate] = after
  return nil
end

local wait = too_fast(visitor, ask.visitor_rate)
if wait then return refused('visitor_rate', wait) end
if ask.is_guest then
  wait = too_fast(guests, ask.guests_rate)
  if wait then return refused('guests_rate', wait) end
end
wait = too_fast(link, ask.link_rate)
if wait then return refused('link_rate', wait) end

-- Open questions ------------------------------------------------------------------------------

local function too_many(scope, limit)
  if not limit then return false end
  return redis.call('ZCARD', scope.open) - (read(scope.held, '=answered') or 0) >= limit
end

if too_many(visitor, ask.visitor_open) then
  return refused('visitor_open', first_expiry(visitor.open))
end
if ask.is_guest and too_many(guests, ask.guests_open) then
  return refused('guests_open', first_expiry(guests.open))
end
if too_many(link, ask.link_open) then
  return refused('link_open', first_expiry(link.open))
end

-- What the books say, where it is needed and not held -------------------------------------------

local held_version = read(KEYS[18], 'version')
-- A finish that settled since these seeds were read is not in them: they would hide it.
local are_seeds_old = held_version and seeds.version and seeds.version < held_version
                      and not ask.takes_old_seeds
local missing = {}
local to_write = {}

local function count(key, name, limit)
  if not limit then return nil end
  local value = read(key)
  if value then return value end
  if not seeds[name] then
    missing[#missing + 1] = name
    return 0
  end
  to_write[#to_write + 1] = {key = key, value = seeds[name]}
  return seeds[name]
end

local function visitor_points(key, name, limit)
  if not limit then return nil end
  local value = read(key, 'points')
  if value then return value end
  if not seeds[name] or are_seeds_old then
    missing[#missing + 1] = name
    return 0
  end
  to_write[#to_write + 1] = {key = key, value = seeds[name], version = seeds.version}
  return seeds[name]
end

local day_questions = count(KEYS[11], 'day_questions', ask.visitor_day_questions)
local day_points = visitor_points(KEYS[13], 'day_points', ask.visitor_day_points)
local month_points = visitor_points(KEYS[14], 'month_points', ask.visitor_month_points)
local guests_questions, guests_points
if ask.is_guest then
  guests_questions = count(KEYS[12], 'guests_day_questions', ask.guests_day_questions)
  guests_points = count(KEYS[15], 'guests_day_points', ask.guests_day_points)
end
local link_month = count(KEYS[16], 'link_month_points', ask.link_month_points)
local link_total = count(KEYS[17], 'link_total_points', ask.link_total_points)

local balance
if ask.charging == 'limited' then
  balance = read(KEYS[18], 'balance')
  if seeds.balance and (not balance or held_version < seeds.version) then
    balance = seeds.balance
  end
  if not balance then missing[#missing + 1] = 'balance' end
end

if #missing > 0 then return {'missing', unpack(missing)} end

-- Questions and points of a period --------------------------------------------------------------

if day_questions and day_questions >= ask.visitor_day_questions then
  return refused('visitor_day_questions', ask.day_ends_us - now)
end
if guests_questions and guests_questions >= ask.guests_day_questions then
  return refused('guests_day_questions', ask.day_ends_us - now)
end

-- needs_all, as for the balance: what a question is expected to take must be left, or the whole of
-- a quota that is smaller. Otherwise anything left admits it, and it holds what there is.
local points_hold = expected_points
local function is_enough(left, limit)
  return left > 0 and (not ask.needs_all or left >= math.min(expected_points, limit))
end
local function used_up(scope, used, limit, ends_in)
  if not used then return nil end
  local left = limit - used - (read(scope.held, '=points') or 0)
  if is_enough(left, limit) then
    points_hold = math.min(points_hold, left)
    return nil
  end
  if is_enough(limit - used, limit) then
    return first_expiry(scope.open) -- only open questions are in the way
  end
  return ends_in
end

local day_left, month_left = ask.day_ends_us - now, ask.month_ends_us - now
wait = used_up(visitor, day_points, ask.visitor_day_points, day_left)
if wait then return refused('visitor_day_points', wait) end
wait = used_up(visitor, month_points, ask.visitor_month_points, month_left)
if wait then return refused('visitor_month_points', wait) end
wait = used_up(guests, guests_points, ask.guests_day_points, day_left)
if wait then return refused('guests_day_points', wait) end
wait = used_up(link, link_month, ask.link_month_points, month_left)
if wait then return refused('link_month_points', wait) end
wait = used_up(link, link_total, ask.link_total_points, -1)
if wait then return refused('link_total_points', wait) end

-- Balance ---------------------------------------------------------------------------------------
-- needs_all: what a question is expected to cost must be there. Otherwise anything above zero
-- admits it, and it holds what there is.

local hold = 0
if ask.charging ~= 'free' then hold = expected_charge end
if balance then
  local on_hold = read(visitor.held, '=hold') or 0
  local available = balance + ask.credit - on_hold
  if (ask.needs_all and available < expected_charge) or (not ask.needs_all and available <= 0) then
    local without_holds = balance + ask.credit
    local is_held = without_holds > 0 and (not ask.needs_all or without_holds >= expected_charge)
    return refused('balance_too_low', is_held and first_expiry(visitor.open) or -1, balance)
  end
  hold = math.max(math.min(hold, available), 0)
end

-- Writes ----------------------------------------------------------------------------------------

if ask.revision > revision then
  redis.call('SET', KEYS[1], int(ask.revision), 'PX', int(ask.revision_ms))
end

for _, seed in ipairs(to_write) do
  if seed.version then
    redis.call('HSET', seed.key, 'points', int(seed.value), 'version', int(seed.version))
  else
    redis.call('SET', seed.key, int(seed.value))
  end
  redis.call('PEXPIRE', seed.key, int(ask.reload_ms))
end
if seeds.balance then
  take_balance(KEYS[18], seeds.balance, seeds.version, ask.reload_ms)
end

for key, after in pairs(next_rates) do
  redis.call('SET', key, int(after), 'PX', int(math.ceil((after - now) / 1000)))
end

local function count_question(key)
  if not exists(key) then return end
  redis.call('INCR', key)
  -- Not reload_ms: the gate knows of questions that no finish has told the books about.
  redis.call('PEXPIREAT', key, int(math.floor(ask.day_ends_us / 1000) + 3600000))
end
count_question(KEYS[11])
if ask.is_guest then count_question(KEYS[12]) end

local expires = now + ask.ttl_us
local entry = int(hold) .. '|' .. int(points_hold) .. '|' .. ask.link .. '|' .. int(now)
for _, scope in ipairs(scopes) do
  redis.call('ZADD', scope.open, int(expires), ask.ticket)
  redis.call('HSET', scope.held, ask.ticket, entry)
  redis.call('HINCRBY', scope.held, '=hold', int(hold))
  redis.call('HINCRBY', scope.held, '=points', int(points_hold))
  local life = int(math.max(math.ceil(ask.ttl_us / 1000) + 1000, redis.call('PTTL', scope.open)))
  redis.call('PEXPIRE', scope.open, life)
  redis.call('PEXPIRE', scope.held, life)
end

if ask.expects_finish then
  local facts = {ask.user, ask.link, ask.plan, ask.is_guest and '1' or '0', int(now), int(hold),
                 int(points_hold)}
  redis.call('ZADD', KEYS[20], int(expires), ask.ticket)
  redis.call('HSET', KEYS[21], ask.ticket, table.concat(facts, '|'))
  redis.call('PEXPIRE', KEYS[20], int(ask.ttl_us / 1000 + WATCH_MS))
  redis.call('PEXPIRE', KEYS[21], int(ask.ttl_us / 1000 + WATCH_MS))
  bound(KEYS[20], ask.watched_max, KEYS[21], KEYS[22], 'tickets')
end

return {'admitted', hold, points_hold, expires, expected_charge, expected_points}
