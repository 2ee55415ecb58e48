-- Forget what the watch has told and somebody has written down.
--
-- KEYS   1 due   2 facts   3 late   4 dropped
-- ARGV   1 JSON: tickets, late (as they were told), dropped_tickets, dropped_late
-- Returns 1
-- Again  tickets and finishes that are gone are no matter; dropped ones are subtracted again, at
--        most down to nothing.

local told = cjson.decode(ARGV[1])
for _, ticket in ipairs(told.tickets) do unwatch(KEYS[1], KEYS[2], ticket) end
for _, finish in ipairs(told.late) do redis.call('ZREM', KEYS[3], finish) end
for name, count in pairs({tickets = told.dropped_tickets, late = told.dropped_late}) do
  local left = (read(KEYS[4], name) or 0) - count
  if count > 0 and left > 0 then
    redis.call('HSET', KEYS[4], name, int(left))
  elseif count > 0 then
    redis.call('HDEL', KEYS[4], name)
  end
end
return 1
