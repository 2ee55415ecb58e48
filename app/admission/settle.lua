-- Take notice of an answer that is in the books.
--
-- KEYS   1 settled (names the answer)   2 balance
--        3 open  4 held  of the visitor    5, 6 of all guests    7, 8 of the link
--        9 points of the visitor on the answer's day   10 in its month
--       11 points of all guests that day   12 points of the link that month   13 ever
--       14 estimate
--       15 due   16 facts   17 late   18 dropped  of the watch
-- ARGV   1 JSON: key (names the answer), user, link (text), is_guest, late_max, received_us, early_us (how far clocks may differ),
--          has_waited (it was said to be answered before), points, charge, balance (micro), version, reload_ms, remember_ms, estimate_ms
-- Returns {"settled", ticket it freed or ""} or {"again", ""}
-- Again  only a newer balance is taken; nothing is freed or counted twice while the key is
--        remembered. Missed: the ticket expires and what was loaded is loaded again.
-- Expiry settled after remember_ms, estimate after estimate_ms without an answer, late after a week.

local answer = cjson.decode(ARGV[1])
take_balance(KEYS[2], answer.balance, answer.version, answer.reload_ms)
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', int(answer.remember_ms)) then
  return {'again', ''}
end

-- The ticket. When none is open the finish is late: one that has expired and was not swept yet is
-- swept now, and the watch learns of a finish that is nobody's yet.

local found = candidates(KEYS[3], KEYS[4], answer)
local freed = found.waiting or ''
if answer.has_waited then freed = found.answered or freed end
if freed ~= '' then
  unwatch(KEYS[15], KEYS[16], freed)
else
  freed = found.expired or ''
  local finish = {answer.key, answer.user, answer.link, int(answer.received_us)}
  redis.call('ZADD', KEYS[17], int(now), table.concat(finish, '|'))
  redis.call('PEXPIRE', KEYS[17], int(WATCH_MS))
  bound(KEYS[17], answer.late_max, nil, KEYS[18], 'late')
end
if freed ~= '' then
  for first = 3, 7, 2 do release(KEYS[first], KEYS[first + 1], freed) end
end

-- Points: where a sum is held. The visitor's own tell by the wallet's version whether they were
-- loaded with this answer in them.

for _, key in ipairs({KEYS[9], KEYS[10]}) do
  local version = read(key, 'version')
  if version and version < answer.version then
    redis.call('HINCRBY', key, 'points', int(answer.points))
  end
end
local sums = {KEYS[12], KEYS[13]}
if answer.is_guest then sums[3] = KEYS[11] end
for _, key in ipairs(sums) do
  if exists(key) then redis.call('INCRBY', key, int(answer.points)) end
end

-- The estimate: an average in which the last answer weighs an eighth.

local function learned(name, value)
  local before = read(KEYS[14], name)
  if not before then return int(value) end
  return int(math.floor((before * 7 + value) / 8 + 0.5))
end
redis.call('HSET', KEYS[14], 'charge', learned('charge', answer.charge),
           'points', learned('points', answer.points))
redis.call('PEXPIRE', KEYS[14], int(answer.estimate_ms))

return {'settled', freed}
