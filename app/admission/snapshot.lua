-- What is held about a visitor and a link, for people who look. Writes nothing.
--
-- KEYS   1 revision   2 balance
--        3 open  4 held  of the visitor    5, 6 of all guests    7, 8 of the link
--        9 questions today of the visitor   10 of all guests
--       11 points of the visitor today   12 this month
--       13 points of all guests today   14 points of the link this month   15 ever
-- Returns integers, false for what is not held (micro-units):
--        revision, balance, version, open, hold and points held of the visitor,
--        open of all guests, open and points held of the link,
--        questions of the visitor, of all guests, points in the order of KEYS
-- Tickets that have expired count no more, though only the next question sweeps them.

local function open(open_key, held_key)
  local count = 0
  for _, ticket in ipairs(redis.call('ZRANGEBYSCORE', open_key, '(' .. int(now), '+inf')) do
    local entry = ticket_of(held_key, ticket)
    if not (entry and entry.is_answered) then count = count + 1 end
  end
  return count
end

local function on_hold(open_key, held_key, name)
  local sum = read(held_key, '=' .. name) or 0
  for _, ticket in ipairs(redis.call('ZRANGEBYSCORE', open_key, '-inf', int(now))) do
    local entry = ticket_of(held_key, ticket)
    if entry then sum = sum - tonumber(entry[name]) end
  end
  return sum
end

return {
  read(KEYS[1]) or false, read(KEYS[2], 'balance') or false, read(KEYS[2], 'version') or false,
  open(KEYS[3], KEYS[4]), on_hold(KEYS[3], KEYS[4], 'hold'), on_hold(KEYS[3], KEYS[4], 'points'),
  open(KEYS[5], KEYS[6]), open(KEYS[7], KEYS[8]), on_hold(KEYS[7], KEYS[8], 'points'),
  read(KEYS[9]) or false, read(KEYS[10]) or false,
  read(KEYS[11], 'points') or false, read(KEYS[12], 'points') or false,
  read(KEYS[13]) or false, read(KEYS[14]) or false, read(KEYS[15]) or false,
}
