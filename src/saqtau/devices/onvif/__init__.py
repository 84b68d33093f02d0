"""Cameras that speak ONVIF: found on the network when somebody asks, what they offer, a picture, their clock.

Profile S, T and G through `onveef`; plate events of Profile M come over MQTT: `mqtt`, `parse`, `server`.
"""
