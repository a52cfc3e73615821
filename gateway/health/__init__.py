"""Is every mail where it should be by now? What lies too long, what is missing, what stands still.

gaps       the kinds of gap, each with what it means and what to do
signs      does a daemon live? Pure
checks     what the store shows → gaps, one check for each kind. Pure
watch      the daemon's look at itself: signs of life, comparisons, alarms that begin and end
alarms     an alarm in the log, in the store, and to the managers
canary     a test mail from the gateway to itself: how it is known, and what is made of it; `flight` sends them
metrics    the same as figures, in Prometheus' text format. Pure
"""
