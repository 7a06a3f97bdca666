-- Answers project \0 state \0 agent and number, in turn.
forget_expired()
return redis.call('HGETALL', base .. 'count')
