"""The patrol's tablet: positions signed by the device, numbered, stored and forwarded."""
