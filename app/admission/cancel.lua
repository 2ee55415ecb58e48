-- Give back an admission whose question is not asked after all.
--
-- KEYS   1 open  2 held  of the visitor    3, 4 of all guests    5, 6 of the link
--        7 questions today of the visitor   8 of all guests
--        9 due   10 facts  of the watch
-- ARGV   1 ticket
-- Returns 1 when the ticket was open, else 0
-- Again  nothing happens. The rates keep the question: they forget it by themselves, soon.

local was_open = release(KEYS[1], KEYS[2], ARGV[1])
local was_guest = release(KEYS[3], KEYS[4], ARGV[1])
release(KEYS[5], KEYS[6], ARGV[1])
unwatch(KEYS[9], KEYS[10], ARGV[1])
if not was_open then return 0 end

local asked = {KEYS[7]}
if was_guest then asked[2] = KEYS[8] end
for _, key in ipairs(asked) do
  if (read(key) or 0) > 0 then redis.call('DECR', key) end
end
return 1
