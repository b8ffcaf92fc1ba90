"""State machines of values and a clock reading: no clock, no waiting, no I/O.

What a machine has learned lives in the machine; what it should do is a frozen value given to each of its
methods, so that a reload of the configuration keeps everything learned. Machines may be shared by threads.
"""
