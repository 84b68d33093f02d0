"""A generated city with traffic, patrols and cameras, driven through the public inputs only.

How the parts follow each other (the demonstration does exactly this):

1. `city.make_city(seed)`, `pbf.write_pbf(city, file)`: an extract for `map import`.
2. `register.draw_registers(graph, seed, region=, now=, secret=)`, `files.write_registers(registers, folder)`: files for
   `register import` (in the order of `files.REGISTERS`) and `watchlist import` (`files.WATCHLIST`), and the accounts.
3. A device and its key for each unit (`drive.Tablet`), enrolled as any other.
4. `stage.Stage(graph, registers, seed, now)`, `drive.drive(stage, tablets, passwords, ...)`: until told to stop.
"""
