-- Raise the revision; never lower it.
--
-- KEYS   1 revision
-- ARGV   1 number   2 how long it is kept, in milliseconds
-- Returns the revision held now
-- Again  the same number keeps it longer. A lower one does not: should the books have gone back
--        to an older copy, the higher number expires and the books' own is announced.

local held = read(KEYS[1])
local number = tonumber(ARGV[1])
if held and held > number then return held end
redis.call('SET', KEYS[1], int(number), 'PX', ARGV[2])
return number
