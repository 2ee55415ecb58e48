-- Take notice of an answer that waits for the books: its question no longer counts as open, and
-- holds what it holds until it is settled or expires.
--
-- KEYS   1 answered (names the answer)
--        2 open  3 held  of the visitor    4, 5 of all guests    6, 7 of the link
-- ARGV   1 JSON: link (text), received_us, early_us (how far clocks may differ), remember_ms
-- Returns the ticket, or "" when none was open
-- Again  nothing happens while the name is remembered. Missed: the ticket stays open until it is
--        settled or expires.

local answer = cjson.decode(ARGV[1])
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', int(answer.remember_ms)) then return '' end
local ticket = candidates(KEYS[2], KEYS[3], answer).waiting
if not ticket then return '' end
for held = 3, 7, 2 do
  local entry = redis.call('HGET', KEYS[held], ticket)
  if entry then
    redis.call('HSET', KEYS[held], ticket, entry .. 'a')
    redis.call('HINCRBY', KEYS[held], '=answered', 1)
  end
end
return ticket
