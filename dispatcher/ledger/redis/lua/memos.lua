-- ARGV: the name. Answers what is kept under it, '' where there is nothing.
return { (memo_of(ARGV[2])) }
