-- Answers how many are due, held and at rest.
forget_expired()
return { redis.call('ZCARD', base .. 'due'), redis.call('ZCARD', base .. 'held'), redis.call('ZCARD', base .. 'rest') }
