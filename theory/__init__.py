"""The mathematics of unmasking schedules, on plain arrays.

``tables`` and ``distributions`` hold laws, ``curves`` what a random order sees of them,
``divergences`` and ``outputs`` what a schedule loses, ``orders`` the dilated order of DUS.
All information is in nats; positions and curves are 0-based.
"""
