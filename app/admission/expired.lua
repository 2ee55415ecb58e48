-- What the watch has seen: tickets that expired without a finish, and finishes that came too late.
-- Writes nothing: it is said again until it is acknowledged.
--
-- KEYS   1 due   2 facts   3 late   4 dropped
-- ARGV   1 how many of each at most
-- Returns {{ticket, when it expired, facts, ticket ...}, {late ...}, tickets dropped, late dropped}
--        Oldest first, with the facts as written (false: lost). Late finishes only with the last of
--        the tickets: each may be the finish of one that is told here or was told before.

local most = tonumber(ARGV[1])
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', int(now), 'WITHSCORES', 'LIMIT', 0, most)
local tickets = {}
for index = 1, #due, 2 do
  tickets[#tickets + 1] = due[index]
  tickets[#tickets + 1] = tonumber(due[index + 1])
  tickets[#tickets + 1] = redis.call('HGET', KEYS[2], due[index])
end
local late = {}
if #due < 2 * most then late = redis.call('ZRANGE', KEYS[3], 0, most - 1) end
return {tickets, late, read(KEYS[4], 'tickets') or 0, read(KEYS[4], 'late') or 0}
