-- Take a wallet's balance when it is newer than the one held.
--
-- KEYS   1 balance
-- ARGV   1 balance (micro)   2 the wallet's version   3 reload_ms
-- Returns 1 when it was newer, else 0
-- Again  0. Expiry: reload_ms after it was taken.

return take_balance(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])) and 1 or 0
