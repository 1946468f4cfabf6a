-- The unit of work in one script: an event is taken once, moves a state machine, arms a timer, and is put into an outbox.
-- KEYS: what was seen, the patient, the timers, the outbox.
-- ARGV: event, its bytes, the machine's next state, when it is due (0: no timer any more), the record after it.
-- The application has decoded the event and made the record; what must happen together happens here.
if not redis.call('SET', KEYS[1], ARGV[1], 'NX') then
  return 'duplicate'
end
local state = redis.call('HGET', KEYS[2], 'state')
if state and tonumber(state) > 255 then
  return 'refused'
end
redis.call('HSET', KEYS[2], 'state', ARGV[3], 'due', ARGV[4], 'record', ARGV[5])
if ARGV[4] == '0' then
  redis.call('ZREM', KEYS[3], KEYS[2])
else
  redis.call('ZADD', KEYS[3], ARGV[4], KEYS[2])
end
redis.call('XADD', KEYS[4], '*', 'patient', KEYS[2], 'event', ARGV[2])
return 'accepted'
