"""Is every mail where it should be by now? What lies too long, what is missing, what stands still.

gaps       what the store shows → gaps, each with what it means and what to do. Pure
watch      the daemon's look at itself: signs of life, comparisons, alarms that begin and end
alarms     an alarm in the log, in the store, and to the managers
canary     a test mail from the gateway to itself: how it is known, and what is made of it; `flight` sends them
metrics    the same as figures, in Prometheus' text format. Pure
"""
