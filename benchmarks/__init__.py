"""What we cost, beside the bare HTTP library and beside others who do the same work.

``python -m benchmarks`` measures every path; ``make bench`` does so in an environment of its own, with the newest
peers, and writes ``results.md`` and ``results.png``. A path is one module in ``benchmarks/paths``: whatever is put
there is measured, if it has a function ``measure(bench) -> list[Row]`` with a docstring that says what is measured.

How it is measured:

* All contestants of a path take turns in one run: a slice of a few milliseconds each, in an order that is drawn anew
  for every round. What counts is the 10th percentile of a contestant's slices. Only figures of one run are compared.
* The clock is the processor time of this process, except on the wire, where others work for us: there it is real time.
* The garbage collector stays on, as it is for users, so that everybody pays for the garbage that they make. It runs
  to its end before each slice, so that nobody pays for another's, and what was there before is frozen: how much the
  peers' modules weigh is of no matter.
* Each contestant is called until it is warm, and its answer is checked before and after the slices.
"""
