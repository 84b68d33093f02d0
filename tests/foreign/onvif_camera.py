"""A camera that speaks ONVIF and that nobody here wrote: ipycam, run by an environment of its own.

onvif_camera.py [user password]: prints its port, ends when its input ends.
"""

import logging
import socket
import sys

import numpy as np
from ipycam import CameraConfig, IPCamera

logging.disable(logging.CRITICAL)


def free():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


user, password = sys.argv[1:] or ("", "")
port = free()
config = CameraConfig(
    local_ip="127.0.0.1", onvif_port=port, rtsp_port=free(), rtmp_port=free(), web_port=free(), go2rtc_api_port=free(),
    main_width=320, main_height=180, main_fps=5, sub_width=160, sub_height=90, sub_fps=5,
    username=user, password=password,
)  # fmt: skip
camera = IPCamera(config)
said, sys.stdout = sys.stdout, sys.stderr
camera.start()
camera.stream(np.full((180, 320, 3), 90, np.uint8))
print(port, file=said, flush=True)
sys.stdin.read()
camera.stop()
