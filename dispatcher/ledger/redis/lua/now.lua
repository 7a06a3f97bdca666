-- Answers the time.
return now
