"""Streams that are neither RTSP nor ONVIF's: SRT, what comes over HTTP (FLV, MPEG-TS, HLS, Matroska), RTMP, and files.

SRT and HTTP are read by ourselves and MPEG-TS is taken apart by ourselves, with its losses and its sound. What else
there is OpenCV's FFmpeg takes apart: over HTTP it is fed from memory and opens nothing, RTMP and files it opens. It
decodes nothing, tells no losses and no clock of the source, gives no sound, and may repeat parameter sets before a key
picture; for cameras that speak RTSP, `devices.rtsp` is the better way.
Motion JPEG is refused: as it is no browser plays it, and coded anew it would not be what the camera sent.
"""
