"""Streams that need somebody else's demultiplexer: RTMP, files, and what comes over HTTP (FLV, MPEG-TS, HLS, Matroska).

OpenCV's FFmpeg takes them apart and decodes nothing. It tells no losses and no clock of the source, gives no sound, and
may repeat parameter sets before a key picture; for cameras that speak RTSP, `devices.rtsp` is the better way.
Motion JPEG is refused: as it is no browser plays it, and coded anew it would not be what the camera sent.
"""
