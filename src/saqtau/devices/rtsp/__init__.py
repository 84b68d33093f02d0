"""Cameras that speak RTSP over TCP, with or without TLS: one connection a camera, RTP inside it (RFC 2326 10.12)."""
