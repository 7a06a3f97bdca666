-- ARGV: ids of notices, which wait no more.
for n = 2, #ARGV do
  redis.call('ZREM', base .. 'nq', ARGV[n])
  redis.call('HDEL', base .. 'nb', ARGV[n])
end
return 1
