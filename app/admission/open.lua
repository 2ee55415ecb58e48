-- The questions that wait for their finish now, of the whole deployment. Writes nothing.
--
-- KEYS   1 due   2 facts   3 late   4 dropped
-- ARGV   1 how many to tell at most
-- Returns {how many there are, {ticket, when it expires, facts, ticket ...}}
--        Those that expire last first, with the facts as written (false: lost).

local after_now = '(' .. int(now)
local found = redis.call(
  'ZREVRANGEBYSCORE', KEYS[1], '+inf', after_now, 'WITHSCORES', 'LIMIT', 0, tonumber(ARGV[1]))
local tickets = {}
for index = 1, #found, 2 do
  tickets[#tickets + 1] = found[index]
  tickets[#tickets + 1] = tonumber(found[index + 1])
  tickets[#tickets + 1] = redis.call('HGET', KEYS[2], found[index])
end
return {redis.call('ZCOUNT', KEYS[1], after_now, '+inf'), tickets}
